"""What runs are called beside one another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from pixfoundation.runs.store import RunDirectory


def run_names(runs: Sequence[RunDirectory]) -> list[str]:
    """Return each run's model, with the folder where two runs are of one model, all different.

    Args:
        runs: Of one table, figure or page.
    """
    models = [str(run.config.model.get("name", run.path.name)) for run in runs]
    held = Counter(models)
    names = [
        f"{model} ({run.path.resolve().name})" if held[model] > 1 else model
        for model, run in zip(models, runs, strict=True)
    ]
    again = Counter(names)
    return [f"{name} {number}" if again[name] > 1 else name for number, name in enumerate(names, 1)]
