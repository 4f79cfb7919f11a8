"""Checks a dataset on disk and lists every problem: `pixfoundation datasets check`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pixfoundation.datasets import datasets
from pixfoundation.datasets.base import Problem
from pixfoundation.datasets.fetch import recheck
from pixfoundation.datasets.files import FileDataset
from pixfoundation.errors import DataError
from pixfoundation.typed_options import read_options
from pixfoundation.types import Sample


@dataclass(frozen=True, slots=True)
class Report:
    """The result of a check.

    Attributes:
        name: Name of the dataset.
        root: The folder that it was read from; None if it is embedded or cannot be read.
        problems: Errors and warnings, each with its file and entry.
        facts: Counts of what could be read, by description.
    """

    name: str
    root: Path | None
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
            "root": None if self.root is None else str(self.root),
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
    """Read a dataset and list its problems; damaged files are listed, not raised.

    Args:
        name: A name from `pixfoundation datasets`.
        root: The folder of the dataset; None if it is embedded, or lies where `fetch` put it.
        images: Whether to open the image files as well.
        options: Options of the dataset.

    Raises:
        DataError: If the dataset does not take one of the options.
        UnknownNameError: If there is no dataset of that name.
    """
    factory = datasets.get(name)
    options = read_options(f"The data set {name!r}", factory, options)
    try:
        dataset: Any = factory(root, **options)
    except DataError as error:
        return Report(name, root, (Problem(root or Path(), "dataset", str(error)),), {})
    if isinstance(dataset, FileDataset):
        problems, samples = dataset.check(images=images), dataset.readable
        root = dataset.root
    else:
        problems, samples = dataset.check(), dataset.samples
    changed = [Problem(file, "checksum", what, "warning") for file, what in _changed(root)]
    return Report(name, root, (*problems, *changed), count(samples))


def count(samples: Sequence[Sample]) -> dict[str, int]:
    """Return how many samples, pairs and annotations there are, without the zero counts."""
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
