"""What a worker says is taken apart and made valid where it enters."""

import sys

import pytest

from pixfoundation import api
from pixfoundation.errors import RunError
from pixfoundation.runs.store import RunDirectory
from pixfoundation.types import Ended
from tests.doubles import DiscSegmenter, ListDataset, make_samples

SCRIPT = """
import json, sys
for line in sys.stdin:
    print(json.dumps({{"id": json.loads(line)["id"], **{reply!r}}}), flush=True)
"""


@pytest.fixture
def run(tmp_path):
    def made(reply, segmenter=None, **options):
        script = tmp_path / "worker.py"
        script.write_text(SCRIPT.format(reply=reply))
        data = ListDataset(make_samples(tmp_path / "images", 1))
        for _ in range(2):  # again, as on resume
            model = api.load_model("worker", command=f"{sys.executable} {script}", **options)
            api.evaluate(model, data, segmenter, out=tmp_path / "run", protocols=(3,))
            model.close()
        return next(iter(RunDirectory(tmp_path / "run").answers().values()))

    return made


def test_half_a_character_is_replaced(run):
    assert run({"text": "It is a smile \ud83d"}).text == "It is a smile \ufffd"


def test_thoughts_and_end_are_recorded(run):
    found = run({"text": "<think>(a)?</think>B", "thoughts": "First.", "ended": "length"})
    assert (found.text, found.thoughts, found.ended) == ("B", "First.\n(a)?", Ended.LENGTH)


def test_a_phrase_with_half_a_character_is_valid(run):
    rle = {"size": [24, 32], "counts": [0, 768]}
    found = run({"text": "a smile \ud83d", "masks": [{"mask": rle, "phrase": "smile \ud83d"}]})
    assert found.error is None


def test_an_error_with_half_a_character_is_recorded(run):
    with pytest.raises(RunError, match="All 2 answers failed.*it broke \ufffd"):
        run({"error": "it broke \ud83d"})


def test_digits_without_end_are_counted(run):
    text = '[{"bbox_2d": [' + "9" * 400 + ", 2, 3, 4]}]"
    found = run({"text": text}, DiscSegmenter(), frame="thousand")
    assert (found.left_out, found.doubtful) == (1, 0)
