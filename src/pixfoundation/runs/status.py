"""How far a run is, from its files alone: any process may look, on any machine that sees them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgspec

from pixfoundation.runs.batch_file import BATCHES, read_batches
from pixfoundation.runs.completeness import measure_completeness
from pixfoundation.runs.progress_file import StoredProgress
from pixfoundation.runs.run_records import RunRecords
from pixfoundation.runs.store import RunDirectory
from pixfoundation.wording import counted, duration

SILENT = 60.0
"""Seconds after which a process that has said nothing is taken for one that has stopped."""


@dataclass(frozen=True, slots=True)
class RunStatus:
    """How far a run is.

    Attributes:
        run: The folder.
        answers: Number of answers on record, failed ones included.
        expected: Number of answers when the run is complete.
        failed: Number of recorded failures.
        state: `complete`, `working`, `stopped` (a process ended or fell silent before the end), or
            `not started`.
        rate: Answers per second of all processes at work; None if it is not known.
        left: Seconds that are left at that rate; None if it is not known.
        workers: Number of workers that are ready; None where processes do the work themselves.
        lost: Number of workers that died or were stopped.
        processes: Number of processes at work.
        reason: Why the first of the failures failed; None without a failure.
        questions_in_batches: Number of questions to judges in batches that are under way.
    """

    run: str
    answers: int
    expected: int
    failed: int
    state: str
    rate: float | None = None
    left: float | None = None
    workers: int | None = None
    lost: int = 0
    processes: int = 0
    reason: str | None = None
    questions_in_batches: int = 0

    @property
    def sentence(self) -> str:
        """The status in words."""
        parts = [f"{self.answers} of {counted(self.expected, 'answer')}", self.state]
        if self.rate is not None:
            parts.append(f"{self.rate:.3g} per second")
        if self.left is not None:
            parts.append(f"about {duration(self.left)} left")
        if self.workers is not None and self.state == "working":
            parts.append(counted(self.workers, "worker"))
        if self.lost:
            parts.append(f"{counted(self.lost, 'worker')} lost")
        if self.processes > 1:
            parts.append(f"{self.processes} processes")
        if self.failed:
            parts.append(f"{self.failed} failed, the first: {self.reason}")
        if self.questions_in_batches:
            questions = counted(self.questions_in_batches, "question")
            parts.append(f"{questions} to a judge under way in batches")
        return f"{self.run}: {', '.join(parts)}"

    def to_json(self) -> dict[str, Any]:
        """Return the status as plain JSON data."""
        return asdict(self)


def read_status(run: Path | str, now: float | None = None) -> RunStatus:
    """Return how far a run is.

    Args:
        run: A run directory, at which processes may be working.
        now: Seconds since 1970; the present by default.

    Raises:
        RunError: If the folder holds no run, it cannot be read, or its file of batches is damaged.
    """
    directory = RunDirectory(run)
    completeness = measure_completeness(RunRecords(directory))
    now = time.time() if now is None else now
    states = list(_progress(directory.path))
    at_work = [one for one in states if not one.ended and now - one.updated < SILENT]
    rates = [
        (one.done - one.began) / (one.updated - one.started)
        for one in at_work
        if one.updated > one.started  # a clock may be set back
    ]
    rate = sum(rates) if rates and sum(rates) > 0 else None
    missing = completeness.expected - completeness.answers
    workers = [one.workers for one in at_work if one.workers is not None]
    if completeness.complete:
        state = "complete"
    elif at_work or _lately(directory.path, now):
        state = "working"
    else:
        state = "stopped" if completeness.answers else "not started"
    return RunStatus(
        str(run),
        completeness.answers,
        completeness.expected,
        completeness.failed,
        state,
        rate if state == "working" else None,
        missing / rate if rate is not None and state == "working" else None,
        sum(workers) if workers else None,
        sum(one.lost for one in states),
        len(at_work),
        completeness.reason,
        sum(len(batch.questions) for batch in read_batches(directory.path / BATCHES)),
    )


def _progress(folder: Path) -> Iterator[StoredProgress]:
    """Yield what the processes of a run have said; a file that cannot be read says nothing."""
    for file in sorted(folder.glob("progress*.json")):
        try:
            yield msgspec.json.decode(file.read_bytes(), type=StoredProgress)
        except (OSError, msgspec.MsgspecError):
            continue


def _lately(folder: Path, now: float) -> bool:
    """Return whether an answer was written a moment ago, by a run too short to have said more."""
    logs = list(folder.glob("run*.log"))
    ended = bool(logs) and all(": end: " in _last_line(file) for file in logs)
    files = [*logs, *folder.glob("answers*.jsonl")]
    return not ended and any(now - file.stat().st_mtime < SILENT for file in files)


def _last_line(file: Path) -> str:
    try:
        return file.read_text("utf-8", "replace").rstrip().rpartition("\n")[2]
    except OSError:
        return ""
