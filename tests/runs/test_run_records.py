"""Records of a run: parsed once, shared, and grouped by prompt in one way."""

from pathlib import Path

import pytest

from pixfoundation.emergence.analysis import analyse
from pixfoundation.report.page import write_report
from pixfoundation.runs import reading
from pixfoundation.runs.run_records import RunRecords, by_prompt
from pixfoundation.scoring.score import ScoreOptions, score
from pixfoundation.types import Candidate, Phrase
from tests.scoring.runs import EMPTY, attended, columns, four_samples, letters, write_run

DOOR, WINDOW = Phrase("the door", (0, 8)), Phrase("a window", (9, 17))


def masks(*indices, phrase=None, point=None, box=None):
    return [Candidate(EMPTY, phrase, point, box, index=index) for index in indices]


@pytest.fixture
def run(tmp_path):
    candidates = [attended(str(i), columns(0, 4), columns(2, 6)) for i in range(1, 5)]
    return write_run(tmp_path, four_samples(), letters("A", "B", "A", "B", protocol=3), candidates)


@pytest.fixture
def parsed(monkeypatch):
    """Names of the files that are read, in order."""
    names, read = [], reading.read_lines

    def noted(path: Path):
        names.append(path.name)
        return read(path)

    monkeypatch.setattr(reading, "read_lines", noted)
    return names


def test_a_report_with_its_scores_and_figures_reads_each_file_once(run, parsed, tmp_path):
    write_report([run], tmp_path / "page")
    assert sorted(parsed) == [
        "answers.jsonl", "candidates.jsonl", "deletions.jsonl", "verdicts.jsonl"
    ]  # fmt: skip


def test_nothing_is_read_before_it_is_needed(run, parsed):
    records = RunRecords.of(run)
    assert parsed == []
    assert len(records.candidates) == len(records.candidates) == 4
    assert parsed == ["candidates.jsonl"]


def test_shared_records_give_the_numbers_of_the_directory(run):
    records = RunRecords.of(run)
    assert (
        score(records, ScoreOptions(seed=3)).to_json()
        == score(run.path, ScoreOptions(seed=3)).to_json()
    )
    assert analyse(records, draws=20).to_json() == analyse(run, draws=20).to_json()


def test_a_restriction_shares_what_was_parsed(run, parsed):
    records = RunRecords.of(run)
    assert len(records.answers) == 4
    few = RunRecords.of(records, only=["3", "1"])
    assert [sample.id for sample in few.samples] == ["3", "1"]
    assert few.answers is records.answers
    assert parsed == ["answers.jsonl"]


@pytest.mark.parametrize(
    ("candidates", "sizes"),
    [
        ([], []),
        (masks(0, 1, 2, 0, 1, 0), [3, 2, 1]),
        (masks(0, 0, 0), [1, 1, 1]),
        # Mask 0 of a prompt is missing from the file.
        (masks(1, 2, 0, 1, 2), [2, 3]),
        (masks(0, 1, 2, 1, 2), [3, 2]),
        (masks(0, phrase=DOOR) + masks(1, 2, phrase=WINDOW), [1, 2]),
        (masks(0, 1, phrase=DOOR, point=(1, 1)) + masks(2, phrase=DOOR, point=(5, 1)), [2, 1]),
        (masks(0, box=(0, 0, 4, 4)) + masks(1, 2, box=(2, 2, 6, 6)), [1, 2]),
    ],
)
def test_prompt_groups(candidates, sizes):
    groups = by_prompt(candidates)
    assert [len(group) for group in groups] == sizes
    assert [candidate for group in groups for candidate in group] == candidates
