"""How far a run is, from its files alone: at work, stopped, complete, and from damaged files."""

from __future__ import annotations

import json
import os
import time
from dataclasses import replace
from typing import Any

import pytest
from typer.testing import CliRunner

from pixfoundation.cli import app
from pixfoundation.errors import RunError
from pixfoundation.runs import progress_file
from pixfoundation.runs.collect import Progress
from pixfoundation.runs.progress_file import ProgressFile
from pixfoundation.runs.status import read_status
from tests.doubles import make_samples
from tests.runs.test_collect import run_all, start

NOW = 1_800_000_000.0
STORED: dict[str, Any] = {
    "done": 14, "total": 36, "failed": 1, "began": 4, "started": NOW - 20, "updated": NOW - 10,
    "ended": False, "process": 1, "host": "first", "workers": 3, "lost": 1,
}  # fmt: skip


@pytest.fixture
def half(tmp_path):
    """A run of which 18 of 36 answers are on disk, written long before `NOW`."""
    run = start(tmp_path / "run", make_samples(tmp_path / "images", 6))
    run_all(run)
    for stem in ("answers", "candidates"):
        file = run.path / f"{stem}.jsonl"
        kept = file.read_text().splitlines()
        file.write_text("\n".join(kept[: len(kept) // 2]) + "\n")
    for file in run.path.iterdir():
        os.utime(file, (NOW - 1000, NOW - 1000))
    return run


def say(run, name="progress.json", **changes):
    (run.path / name).write_text(json.dumps({**STORED, **changes}))


def test_a_run_at_work_has_a_rate_a_time_left_and_workers(half):
    say(half)
    status = read_status(half.path, NOW)
    assert (status.state, status.answers, status.expected) == ("working", 18, 36)
    assert status.rate == pytest.approx(1.0)  # ten answers in ten seconds
    assert status.left == pytest.approx(18.0)
    assert (status.workers, status.lost, status.processes) == (3, 1, 1)
    assert status.sentence.endswith(
        "18 of 36 answers, working, 1 per second, about 18 s left, 3 workers, 1 worker lost"
    )


def test_processes_of_shards_are_added(half):
    say(half, "progress.1-of-2.json", workers=None)
    say(half, "progress.2-of-2.json", workers=None, done=24, lost=0)
    status = read_status(half.path, NOW)
    assert status.rate == pytest.approx(1.0 + 2.0)
    assert (status.workers, status.lost, status.processes) == (None, 1, 2)
    assert "2 processes" in status.sentence


@pytest.mark.parametrize("changes", [{"ended": True}, {"updated": NOW - 61}])
def test_a_process_that_ended_or_fell_silent_is_not_at_work(half, changes):
    say(half, **changes)
    status = read_status(half.path, NOW)
    assert (status.state, status.rate, status.left, status.processes) == ("stopped", None, None, 0)


def test_a_run_that_was_never_started_and_one_that_is_complete(tmp_path):
    run = start(tmp_path / "run", make_samples(tmp_path / "images", 1))
    assert read_status(run.path).state == "not started"
    run_all(run)
    status = read_status(run.path)
    assert (status.state, status.answers, status.expected) == ("complete", 6, 6)


def test_a_run_too_short_for_a_file_of_progress_is_at_work_while_it_writes(half):
    os.utime(half.path / "answers.jsonl", (NOW - 5, NOW - 5))
    log = half.path / "run.log"
    log.write_text(log.read_text().partition(": end: ")[0] + "\n")
    os.utime(log, (NOW - 1000, NOW - 1000))
    assert read_status(half.path, NOW).state == "working"
    assert read_status(half.path, NOW + 100).state == "stopped"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"done": "many"}', "\0"])
def test_a_damaged_file_of_progress_says_nothing(half, text):
    (half.path / "progress.json").write_text(text)
    assert read_status(half.path, NOW).state == "stopped"


def test_a_clock_that_stood_still_or_went_back_gives_no_rate(half):
    for updated in (NOW - 20, NOW - 25):
        say(half, started=NOW - 20, updated=updated)
        status = read_status(half.path, NOW)
        assert (status.state, status.rate, status.left) == ("working", None, None)


def test_failures_are_counted_with_the_reason_of_the_first(tmp_path):
    samples = make_samples(tmp_path / "images", 1)
    samples[0].image.unlink()
    run = start(tmp_path / "run", samples)
    run_all(run)
    status = read_status(run.path)
    assert status.failed == 3
    assert "3 failed, the first: There is no image" in status.sentence


def test_the_file_is_replaced_every_few_seconds_and_ends(tmp_path, monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(progress_file.time, "monotonic", lambda: clock[0])
    file, path = ProgressFile(tmp_path, "2-of-4", began=2), tmp_path / "progress.2-of-4.json"
    state = Progress(3, 9, 0, 2, 1)
    file.note(state)
    file.end(state)
    assert not path.exists()  # a run that takes less leaves none
    clock[0] += 5
    file.note(state)
    file.note(replace(state, done=4))
    stored = json.loads(path.read_text())
    assert (stored["done"], stored["began"], stored["workers"], stored["lost"]) == (3, 2, 2, 1)
    assert stored["ended"] is False
    file.end(replace(state, done=9))
    stored = json.loads(path.read_text())
    assert (stored["done"], stored["ended"]) == (9, True)


def test_the_command_prints_sentences_or_json_and_names_what_is_no_run(half, tmp_path):
    say(half, started=time.time() - 10, updated=time.time())
    result = CliRunner().invoke(app, ["status", str(half.path)])
    assert "18 of 36 answers, working" in " ".join(result.output.split())
    result = CliRunner().invoke(app, ["status", str(half.path), str(half.path), "--json"])
    first, second = json.loads(result.stdout)
    assert first["answers"] == second["answers"] == 18
    assert first["state"] == "working"
    result = CliRunner().invoke(app, ["status", str(tmp_path / "nothing")])
    assert isinstance(result.exception, RunError)


def test_watching_ends_when_the_run_is_complete(tmp_path):
    run = start(tmp_path / "run", make_samples(tmp_path / "images", 1))
    run_all(run)
    result = CliRunner().invoke(app, ["status", str(run.path), "--watch", "0.5"])
    assert result.exit_code == 0
    assert "6 of 6 answers, complete" in " ".join(result.output.split())
