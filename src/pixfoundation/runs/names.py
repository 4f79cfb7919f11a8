"""Names that tell the runs of one table, figure or page apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from pixfoundation.runs.store import RunDirectory


def run_names(runs: Sequence[RunDirectory]) -> list[str]:
    """Return a name for each run, all different.

    A run has the name of its model; where several runs are of one model, the folder is added, and
    then a number.

    Args:
        runs: The runs of one table, figure or page.
    """
    runs_per_name = Counter(run.name for run in runs)
    names = [
        f"{run.name} ({run.path.resolve().name})" if runs_per_name[run.name] > 1 else run.name
        for run in runs
    ]
    repeats = Counter(names)
    return [
        f"{name} {number}" if repeats[name] > 1 else name for number, name in enumerate(names, 1)
    ]
