"""How fast answers came before, as the logs of runs say."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from pixfoundation.errors import RunError
from pixfoundation.runs.store import read_config

_START = re.compile(r": start: (\w+)")
_SPEED = re.compile(r": (?:progress|end): .*, ([0-9.]+(?:e[+-]?\d+)?) per second")
_SHARD = re.compile(r"run\.\d+-of-(\d+)\.log")
_TIME = len("2026-11-30 12:00:00,000")
_STAGE = "collect"
"""The stage that writes answers; judging and the tests have speeds of their own."""


@dataclass(frozen=True, slots=True)
class Speed:
    """How fast answers came before.

    Attributes:
        answers_per_second: Answers per second of all processes together, above 0.
        other_run: The run that it was measured in; None for an earlier part of the same run.
        processes: Number of processes that share the run.
    """

    answers_per_second: float
    other_run: Path | None = None
    processes: int = 1


def measured_speed(run: Path, model: str, processes: int = 1) -> Speed | None:
    """Return the speed of an earlier part of a run, or of the last run of its model next to it.

    Args:
        run: The run directory, which need not exist.
        model: Name of the model, as `run.json` has it.
        processes: Number of processes that will share the run, each as fast as those before.
    """
    own = speed_of(run)
    if own is not None:
        return Speed(processes * own, processes=processes)
    latest: dict[Path, float] = {}
    for log in run.parent.glob("*/run*.log"):
        latest[log.parent] = max(latest.get(log.parent, 0.0), log.stat().st_mtime)
    for folder in sorted(latest, key=lambda each: latest[each], reverse=True):
        speed = speed_of(folder)
        if speed is not None and _model_of(folder) == model:
            return Speed(processes * speed, folder, processes)
    return None


def speed_of(run: Path) -> float | None:
    """Return the last speed of one process that the logs of a run hold, in answers per second.

    Of processes that shared the run it is the mean.
    """
    by_count: dict[str, list[tuple[str, float]]] = defaultdict(list)
    for log in run.glob("run*.log"):
        shard = _SHARD.fullmatch(log.name)
        if (last := _last_speed(log)) is not None:
            by_count[shard[1] if shard else ""].append(last)
    if not by_count:
        return None
    latest = max(by_count.values(), key=max)
    return sum(speed for _, speed in latest) / len(latest)


def _last_speed(log: Path) -> tuple[str, float] | None:
    """Return when a log says its last speed, and that speed; None if it says none."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    stage, last = "", None
    for line in lines:
        if start := _START.search(line):
            stage = start[1]
        elif stage == _STAGE and (match := _SPEED.search(line)) and float(match[1]) > 0:
            last = line[:_TIME], float(match[1])
    return last


def _model_of(run: Path) -> str | None:
    """Return the name of a run's model; None if the run cannot be read."""
    try:
        return read_config(run)[0].model.name
    except RunError:
        return None
