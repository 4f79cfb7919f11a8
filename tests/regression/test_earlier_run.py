"""A run directory that an earlier version wrote is scored, resumed and reported as it was then.

Its numbers are in the section 'earlier run' of `expected.json`.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import pixfoundation as pf
from pixfoundation.errors import RunError
from tests.regression.document import CPU, EARLIER_RUN, CommandError, call, call_json, lines_of

SAME = ["run", *CPU, "--max-new-tokens", 8]


@pytest.fixture(scope="module")
def weights() -> str:
    return str(pf.load_model("tiny-llava", device="cpu").fingerprint()["weights"])


@pytest.fixture
def run(tmp_path: Path, weights: str) -> Path:
    """The run as if the embedded weights of today had made it, so that it can be continued."""
    copy = Path(shutil.copytree(EARLIER_RUN, tmp_path / "run"))
    config = copy / "run.json"
    text = config.read_text(encoding="utf-8")
    earlier = json.loads(text)["config"]["model"]["weights"]
    config.write_text(text.replace(earlier, weights), encoding="utf-8")
    return copy


def contents(run: Path) -> dict[str, bytes]:
    """What a run holds; `phrases.json` is derived from it, where the parser is loaded anyway."""
    files = (file for file in run.glob("*.json*") if file.name != "phrases.json")
    return {file.name: file.read_bytes() for file in files}


def test_the_same_command_has_nothing_left_to_do(run: Path) -> None:
    before = contents(run)
    call(*SAME, "--limit", 2, "--out", run)
    assert contents(run) == before


@pytest.mark.slow
def test_more_samples_are_added_behind_those_that_are_there(run: Path) -> None:
    before = contents(run)
    call(*SAME, "--limit", 4, "--out", run)
    after = contents(run)
    for name in ("samples.jsonl", "answers.jsonl", "candidates.jsonl"):
        assert after[name].startswith(before[name])
    assert len(lines_of(run / "answers.jsonl")) == 12
    assert after["run.json"] == before["run.json"]


@pytest.mark.slow
def test_a_lost_line_is_computed_again_and_no_other(run: Path, tmp_path: Path) -> None:
    file, samples = run / "answers.jsonl", run / "samples.jsonl"
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [line for line in lines if '"sample":"2","protocol":3' not in line]
    assert len(kept) == len(lines) - 1
    file.write_text("".join(kept), encoding="utf-8")
    images = {sample.id: str(sample.image) for sample in pf.load_dataset("pixscenes").samples[:2]}
    there = [sample | {"image": images[sample["id"]]} for sample in lines_of(samples)]
    samples.write_text("".join(json.dumps(sample) + "\n" for sample in there), encoding="utf-8")
    call(*SAME, "--limit", 2, "--out", run)
    call(*SAME, "--limit", 2, "--out", tmp_path / "fresh")
    fresh = (tmp_path / "fresh" / "answers.jsonl").read_text(encoding="utf-8")
    (lost,) = (line for line in fresh.splitlines(True) if '"sample":"2","protocol":3' in line)
    assert file.read_text(encoding="utf-8").splitlines(keepends=True) == [*kept, lost]


def test_it_is_not_continued_by_other_weights(run: Path, weights: str) -> None:
    config = run / "run.json"
    text = config.read_text(encoding="utf-8")
    config.write_text(text.replace(weights, f"sha256:{64 * '0'}"), encoding="utf-8")
    with pytest.raises(CommandError, match="weights"):
        call(*SAME, "--limit", 2, "--out", run)


@pytest.mark.parametrize(
    ("options", "what"),
    [
        (["--seed", 1], "seed"),
        (["--grounder-option", "rank=2"], "rank"),
        (["--published"], "published"),
        (["--protocols", "2,3"], "protocols"),
        (["--segmenter", "none", "--protocols", "2"], "segmenter"),
    ],
)
def test_another_configuration_is_refused(run: Path, options: list[object], what: str) -> None:
    before = contents(run)
    with pytest.raises(CommandError) as caught:
        call(*SAME, "--limit", 2, *options, "--out", run)
    assert isinstance(caught.value.__cause__, RunError)
    assert what in str(caught.value.__cause__)
    assert contents(run) == before


def test_the_public_interface_reads_it(run: Path) -> None:
    directory = pf.RunDirectory(run)
    assert list(directory.samples) == ["1", "2"]
    assert directory.answers()["1", 2].text == " Yes."
    assert len(directory.verdicts()) == 11
    scores = pf.score(directory).to_json()
    assert scores["n_samples"] == 2
    assert scores == call_json("score", run, "--json")
