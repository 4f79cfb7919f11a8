"""Damaged files are read, or refused with an error of the package: a short attack on each reader.

`python -m tests.fuzz all --n 10000` is the long one; what it found stays in `FOUND_LINES`.
"""

import contextlib
import json
import os
import random
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pixfoundation.errors import PixFoundationError
from pixfoundation.typed_json import decode
from pixfoundation.types import Candidate
from tests.fuzz import runner
from tests.fuzz.analyses import CAMPAIGNS
from tests.fuzz.campaigns import Campaign
from tests.fuzz.mutators import JUNK, damage, damage_value
from tests.fuzz.runner import Workplace, run_campaign

FOUND_LINES = [
    ("folder", "samples.jsonl", b'{"image": "a.png", "pair": ' + b"9" * 5000 + b"}\n"),
    ("pixmmvp", "d/visual_patterns.csv", b",Index,Pattern\n0," + b"9" * 5000 + b",Text\n"),
    ("pixmmvp", "d/meta_none.txt", b"9" * 5000 + b".jpg\n"),
    ("pixmmvp", "d/Segmentations.json", b'{"images":[{"id":1,"width":16,"height":12,"file_name":"'
     + b"9" * 5000 + b'.jpg"}],"annotations":[]}'),
    ("pixmmvp", "d/Questions.csv", "lndex,Question\n\u00b2,?\n".encode()),
    ("score", "run/similarity.json", b'{"vectors":"x","pairs":{"a":{"b":NaN}}}'),
    ("score", "run/verdicts.jsonl", b'{"sample":"0","protocol":3,"kind":"pick","judge":"yes",'
     b'"value":99,"valid":true,"reply":""}\n'),
    ("emergence", "run/verdicts.jsonl", b'{"sample":"0","protocol":3,"kind":"concept",'
     b'"judge":"yes","value":["z"],"valid":true,"reply":"","phrase":"It"}\n'),
    ("resume", "run/answers.jsonl", b"[" * 100_000 + b"\n"),
    ("report", "run/run.json", b'{"format":1,"config":[],"environment":{}}'),
]  # fmt: skip
"""Campaign, file and content of inputs that once ended otherwise."""

CANDIDATE = {
    "mask": {"size": [10, 10], "counts": "d3"}, "source": "native", "score": 0.5, "index": 1,
    "phrase": {"text": "a door", "span": [0, 6], "tokens": [0, 1], "core": "door"},
    "point": [1.0, 2.0], "box": [1.0, 2.0, 3.0, 4.0], "similarity": 0.7,
}  # fmt: skip


@pytest.mark.parametrize("name", CAMPAIGNS)
def test_a_short_campaign_finds_nothing(name, tmp_path):
    place = Workplace(CAMPAIGNS[name], tmp_path)
    outcomes = [place.attempt(7, index) for index in range(25)]
    assert any(outcomes)  # not everything is refused


@pytest.mark.slow
@pytest.mark.parametrize("name", CAMPAIGNS)
def test_a_long_campaign_finds_nothing(name):
    result = run_campaign(name, 11, range(100))
    assert result.failures == []
    assert result.read + result.refused == 100


@pytest.mark.parametrize(("name", "file", "content"), FOUND_LINES)
def test_what_was_found_is_mended(name, file, content, tmp_path):
    CAMPAIGNS[name].make(tmp_path)
    (tmp_path / file).write_bytes(content)
    with contextlib.suppress(PixFoundationError):
        CAMPAIGNS[name].read(tmp_path, random.Random(1))


@pytest.mark.parametrize("damage_text", [b"\xff", b"\xe1("])
def test_a_table_whose_texts_are_no_utf8_is_refused(damage_text, tmp_path):
    place = Workplace(CAMPAIGNS["pixcvbench"], tmp_path)
    for target in place.targets:
        good = place.good[target]
        middle = len(good) // 2
        target.write_bytes(good[:middle] + damage_text + good[middle + len(damage_text) :])
    with contextlib.suppress(PixFoundationError):
        place.campaign.read(tmp_path, random.Random(1))


@pytest.mark.slow
def test_an_attack_guided_by_coverage_finds_nothing(tmp_path):
    pytest.importorskip("atheris", reason="atheris is not installed; it is optional")
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    (corpus / "mask").write_bytes(b"\x04\x06PP0")
    (corpus / "candidate").write_text(json.dumps(CANDIDATE))
    command = [sys.executable, "-m", "tests.fuzz.coverage_guided", "-runs=50000", "-timeout=5"]
    done = subprocess.run([*command, str(corpus)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.randoms(use_true_random=False))
def test_a_candidate_is_itself_or_refused(dice):
    data = damage_value(CANDIDATE, dice)
    try:
        candidate = Candidate.from_json(data)
    except PixFoundationError:
        return
    again = json.loads(json.dumps(candidate.to_json(), allow_nan=False))
    assert Candidate.from_json(again) == candidate
    assert 0 <= candidate.mask.area <= candidate.mask.size[0] * candidate.mask.size[1]


@given(st.recursive(st.sampled_from(JUNK), lambda inner: st.lists(inner, max_size=3)))
def test_junk_is_of_a_type_or_refused(value):
    data = json.dumps(value).encode("utf-8", "surrogatepass")
    for kind in (dict[str, float], list[int], str, tuple[float, float]):
        try:
            decode(data, kind)
        except PixFoundationError as error:
            str(error).encode()


def raise_another() -> None:
    raise TypeError("an error of another class")


def die() -> None:
    os._exit(3)


def hang() -> None:
    while True:
        pass


@pytest.mark.parametrize(
    ("misbehave", "said"),
    [(raise_another, "TypeError"), (die, "crash: exit status 3"), (hang, "hang")],
)
def test_what_goes_wrong_is_one_failure_and_the_campaign_goes_on(monkeypatch, misbehave, said):
    calls = []

    def read(root, dice):
        calls.append(dice)  # the first is of the whole files
        if len(calls) == 3:
            misbehave()

    monkeypatch.setattr(runner, "HANG_SECONDS", 0.2)
    monkeypatch.setitem(CAMPAIGNS, "made", Campaign("made", lambda root: None, read))
    result = run_campaign("made", 1, range(3))
    ((index, text),) = result.failures
    assert index == 1
    assert text.strip().splitlines()[-1].startswith(said)
    assert result.read == 2


def test_good_files_that_cannot_be_read_end_a_campaign(monkeypatch):
    def read(root, dice):
        raise ValueError

    monkeypatch.setitem(CAMPAIGNS, "made", Campaign("made", lambda root: None, read))
    with pytest.raises(RuntimeError, match="good files"):
        run_campaign("made", 1, range(3))


def test_damage_depends_on_the_dice_alone():
    data = b'{"a": [1, 2, 3], "b": "text"}\n' * 3
    for name in ("x.json", "x.jsonl", "x.csv"):
        first = [damage(name, data, random.Random(i)) for i in range(50)]
        assert first == [damage(name, data, random.Random(i)) for i in range(50)]
        assert len(set(first)) > 40
