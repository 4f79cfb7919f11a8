"""The log of a training: what was reported when, and the processor time of each stage."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path


class TrainingLog:
    """Appends lines to a file, each with its time and the processor time of the process so far."""

    def __init__(self, file: Path, show: Callable[[str], None]) -> None:
        """Write to a file, and pass every line on to `show`."""
        self._file = file
        self._show = show

    def __call__(self, line: str) -> None:
        """Write a line."""
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with self._file.open("a", encoding="utf-8") as file:
            file.write(f"{now}\t{time.process_time():.0f}\t{line}\n")
        self._show(line)


def stage_minutes(file: Path) -> dict[str, float]:
    """Return the processor minutes of each stage that a log reports.

    A stage reports `NAME step/steps ...`; a line without such a start belongs to the stage before.
    Processor time that falls from one line to the next marks a process that went on with it.
    """
    minutes: dict[str, float] = defaultdict(float)
    before, stage = 0.0, ""
    for entry in file.read_text(encoding="utf-8").splitlines():
        _, seconds, line = entry.split("\t", 2)
        words = line.split()
        if len(words) > 1 and "/" in " ".join(words[:3]):
            stage = words[0]
        now = float(seconds)
        minutes[stage] += max(now - before, 0.0 if now >= before else now) / 60
        before = now
    return dict(minutes)


def last_measurements(file: Path) -> list[str]:
    """Return the last report of each kind of measurement on the validation pairs."""
    reports: dict[str, str] = {}
    for entry in file.read_text(encoding="utf-8").splitlines():
        line = entry.split("\t", 2)[2]
        if " pairs: " in line:
            reports[line.split(" pairs: ")[0]] = line
    return list(reports.values())
