"""The log of a training: what was reported when, and the processor time of each stage."""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path


class TrainingLog:
    """Appends lines to a file, each with its time, its process and the processor time of that.

    Several processes may write to one file.
    """

    def __init__(self, file: Path, show: Callable[[str], None]) -> None:
        """Write to a file, and pass every line on to `show`."""
        self._file = file
        self._show = show

    def __call__(self, line: str) -> None:
        """Write a line."""
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with self._file.open("a", encoding="utf-8") as file:
            file.write(f"{now}\t{os.getpid()}\t{time.process_time():.0f}\t{line}\n")
        self._show(line)


def stage_minutes(file: Path) -> dict[str, float]:
    """Return the processor minutes of each stage that a log reports, in the order of its reports.

    A stage reports `NAME step/steps ...`; a line without such a start belongs to the stage before
    it in the same process. What a process spends before its first report counts with that.
    """
    minutes: dict[str, float] = defaultdict(float)
    before: dict[str, float] = defaultdict(float)
    stages: dict[str, str] = {}
    for entry in file.read_text(encoding="utf-8").splitlines():
        _, process, seconds, line = entry.split("\t", 3)
        words = line.split()
        if len(words) > 1 and "/" in " ".join(words[:3]):
            stages[process] = words[0]
        if float(seconds) < before[process]:  # another process that got the same number
            before[process] = 0.0
        minutes[stages.get(process, "")] += (float(seconds) - before[process]) / 60
        before[process] = float(seconds)
    return dict(minutes)


def last_measurements(file: Path) -> list[str]:
    """Return the last report of each kind of measurement on the validation pairs."""
    reports: dict[str, str] = {}
    for entry in file.read_text(encoding="utf-8").splitlines():
        line = entry.split("\t", 3)[3]
        if " pairs: " in line:
            reports[line.split(" pairs: ")[0]] = line
    return list(reports.values())
