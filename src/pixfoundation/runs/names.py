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
    return distinct_names([(run.name, run.path.resolve().name) for run in runs])


def distinct_names(runs: Sequence[tuple[str, str]]) -> list[str]:
    """Return a name for each run, all different, as `run_names`.

    Args:
        runs: Name and folder of each run.
    """
    runs_per_name = Counter(name for name, _ in runs)
    names = [f"{name} ({folder})" if runs_per_name[name] > 1 else name for name, folder in runs]
    repeats = Counter(names)
    return [
        f"{name} {number}" if repeats[name] > 1 else name for number, name in enumerate(names, 1)
    ]
