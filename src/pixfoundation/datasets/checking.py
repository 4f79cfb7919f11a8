"""`data check`: everything that is wrong with a data set, as a list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pixfoundation.datasets import datasets
from pixfoundation.datasets.base import Problem
from pixfoundation.datasets.fetch import recheck
from pixfoundation.datasets.files import FileBenchmark
from pixfoundation.errors import DataError
from pixfoundation.types import Sample


@dataclass(frozen=True, slots=True)
class Report:
    """What a check found.

    Attributes:
        name: Of the data set.
        problems: Errors and oddities, each with file and entry.
        facts: Counts of what could be read.
    """

    name: str
    problems: tuple[Problem, ...]
    facts: dict[str, int]

    @property
    def errors(self) -> list[Problem]:
        """The problems that make scores wrong or impossible."""
        return [problem for problem in self.problems if problem.severity == "error"]

    def to_json(self) -> dict[str, Any]:
        """Return the report as plain JSON data."""
        return {
            "dataset": self.name,
            "facts": self.facts,
            "problems": [
                {
                    "severity": problem.severity,
                    "file": str(problem.file),
                    "entry": problem.entry,
                    "message": problem.message,
                }
                for problem in self.problems
            ],
        }


def check_data(name: str, root: Path | None, *, images: bool = True, **options: Any) -> Report:
    """Read a data set and lists what is wrong; damage is listed, never raised.

    Args:
        name: One of `pixfoundation datasets`.
        root: Its folder.
        images: Whether image files are opened too.
        options: Of the data set.

    Raises:
        UnknownNameError: If there is no such data set.
    """
    factory = datasets.get(name)
    try:
        benchmark: Any = factory(root, **options)
    except DataError as error:
        return Report(name, (Problem(root or Path(), "data set", str(error)),), {})
    if isinstance(benchmark, FileBenchmark):
        found, samples = benchmark.check(images=images), benchmark.readable
    else:
        found, samples = benchmark.check(), benchmark.samples
    changed = [Problem(file, "checksum", what, "warning") for file, what in _changed(root)]
    return Report(name, (*found, *changed), count(samples))


def count(samples: Sequence[Sample]) -> dict[str, int]:
    """Count what a data set holds."""
    facts = {
        "samples": len(samples),
        "pairs": len({s.pair for s in samples if s.pair is not None}),
        "without an expression": sum(s.expression is None for s in samples),
        "with an expression but no mask": sum(
            s.expression is not None and s.mask.is_empty for s in samples
        ),
        "annotations": sum(len(s.parts) for s in samples),
    }
    return {what: number for what, number in facts.items() if number}


def _changed(root: Path | None) -> list[tuple[Path, str]]:
    if root is None:
        return []
    try:
        return list(recheck(root))
    except DataError as error:
        return [(root, str(error))]
