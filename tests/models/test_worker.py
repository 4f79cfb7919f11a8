"""A worker in its own environment: answers, crashes, hangs and nonsense."""

import sys

import pytest
from PIL import Image

from pixfoundation.errors import DataError
from pixfoundation.models.base import Decoding
from pixfoundation.models.worker import WorkerError, load
from pixfoundation.types import Prompt

IMAGE = Image.new("RGB", (6, 4), "white")
HEAD = """
import json, os, sys, time
from pathlib import Path
state = Path({state!r})
calls = int(state.read_text()) if state.exists() else 0
for line in sys.stdin:
    request = json.loads(line)
    calls += 1
    state.write_text(str(calls))
    print("question", calls, file=sys.stderr, flush=True)
    answer = {{"id": request["id"], "text": "a door: " + request["prompt"]}}
"""
SAY = "    print(json.dumps(answer), flush=True)\n"


@pytest.fixture
def worker(tmp_path):
    made = []

    def make(body, **options):
        script = tmp_path / "worker.py"
        script.write_text(HEAD.format(state=str(tmp_path / "calls")) + body)
        options = {"timeout": 20.0, "log": tmp_path / "worker.log", **options}
        made.append(load("worker", command=f"{sys.executable} {script}", **options))
        return made[-1]

    yield make
    for model in made:
        model.close()


def ask(model, *texts):
    prompts = [Prompt("1", 3, text, "door") for text in texts]
    return model.answer([IMAGE] * len(texts), prompts, Decoding())


def test_text_masks_and_phrases_come_back(worker, tmp_path):
    rle = '{"size": [4, 6], "counts": [0, 24]}'
    mask = f'    answer["masks"] = [{{"mask": {rle}, "phrase": "a door"}}]\n'
    first, second = ask(worker(mask + SAY), "one", "two")
    assert (first.text, second.text) == ("a door: one", "a door: two")
    assert first.masks[0].mask.area == 24
    assert first.masks[0].span == (0, 6)
    assert "question 2" in (tmp_path / "worker.log").read_text()


def test_the_image_arrives(worker):
    body = (
        "    from PIL import Image\n"
        '    answer["text"] = str(Image.open(request["image"]).size)\n' + SAY
    )
    assert ask(worker(body), "x")[0].text == "(6, 4)"


def test_no_masks_is_no_mask(worker):
    assert ask(worker(SAY), "x")[0].masks == ()


def test_coordinates_are_read_from_the_text(worker):
    body = '    answer["text"] = "[500, 500]"\n' + SAY
    model = worker(body, frame="thousand")
    assert ask(model, "x")[0].regions[0].coordinates == (3.0, 2.0)
    assert model.capabilities == {"coordinates"}


@pytest.mark.parametrize(
    "fault",
    [
        "os._exit(3)",
        "time.sleep(60)",
        "print('loading ...', flush=True)",
        "print('{}', flush=True)",
    ],
)
def test_one_fault_is_survived(worker, fault):
    model = worker(f"    if calls == 1:\n        {fault}\n        continue\n" + SAY, timeout=3.0)
    assert ask(model, "x")[0].text == "a door: x"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("    os._exit(3)\n", "ended without an answer"),
        ('    answer["error"] = "out of memory"\n' + SAY, "It says: out of memory"),
        ('    answer["masks"] = [{"mask": 3}]\n' + SAY, "masks cannot be read"),
        (
            '    answer["masks"] = [{"mask": {"size": [2, 2], "counts": [4]}}]\n' + SAY,
            r"\(2, 2\), the image \(4, 6\)",
        ),
    ],
)
def test_a_lasting_fault_is_one_sentence(worker, body, message):
    with pytest.raises(WorkerError, match=f"failed 2 times at sample 1.*{message}"):
        ask(worker(body, restarts=1), "x")


def test_a_command_is_needed_and_must_exist(tmp_path):
    with pytest.raises(DataError, match="Which command"):
        load("worker")
    model = load("worker", command="no-such-command", restarts=0, log=tmp_path / "log")
    with pytest.raises(WorkerError, match="cannot be started"):
        ask(model, "x")
