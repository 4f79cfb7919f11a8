"""Checks a dataset on disk and lists every problem: `pixfoundation datasets check`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pixfoundation.datasets import datasets
from pixfoundation.datasets.base import Problem
from pixfoundation.datasets.fetch import recheck
from pixfoundation.datasets.files import FileDataset
from pixfoundation.datasets.mask_checks import odd_masks
from pixfoundation.datasets.places import fetched_root
from pixfoundation.errors import DataError
from pixfoundation.typed_options import read_options
from pixfoundation.types import Sample

ALIKE = 4
"""Fewest like problems that are shown as one line."""
SHOWN = 5
"""Number of entries that such a line lists."""
_VARIABLE = re.compile(r"'[^']*'|\"[^\"]*\"|\S*[/\\]\S*|\w+\.\w{2,4}\b|\d[\d.]*")
"""What differs between like messages: quoted texts, paths, file names, numbers."""


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
        return Report(name, root, (Problem(root or fetched_root(name), "dataset", str(error)),), {})
    if isinstance(dataset, FileDataset):
        problems, samples = dataset.check(images=images), dataset.readable
        root = dataset.root
    else:
        problems, samples = dataset.check(), dataset.samples
    problems = [*problems, *odd_masks(samples)]
    changed = [Problem(file, "checksum", what, "warning") for file, what in _changed(root)]
    return Report(name, root, (*problems, *changed), count(samples))


@dataclass(frozen=True, slots=True)
class Group:
    """Problems that differ in names and numbers only.

    Attributes:
        problems: The problems, in the order in which they were found.
    """

    problems: tuple[Problem, ...]

    def __str__(self) -> str:
        first, count = self.problems[0], len(self.problems)
        if count == 1:
            return str(first)
        others = ", ".join(problem.entry for problem in self.problems[1 : SHOWN + 1])
        more = ", ..." if count > SHOWN + 1 else ""
        return f"{first} And {count - 1} more like this: {others}{more}."


def grouped(problems: Sequence[Problem]) -> list[Group]:
    """Group problems of one severity and folder whose messages differ in names and numbers only.

    Groups of fewer than `ALIKE` problems are left apart.

    Args:
        problems: Problems in the order in which they were found.

    Returns:
        The groups, in the order of their first problems.
    """
    alike: dict[tuple[str, ...], list[Problem]] = {}
    for problem in problems:
        kind = _VARIABLE.sub("#", problem.message)
        key = (problem.severity, str(problem.file.parent), problem.file.suffix, kind)
        alike.setdefault(key, []).append(problem)
    order = {id(problem): place for place, problem in enumerate(problems)}
    groups: list[Group] = []
    for members in alike.values():
        if len(members) < ALIKE:
            groups += [Group((problem,)) for problem in members]
        else:
            groups.append(Group(tuple(members)))
    return sorted(groups, key=lambda group: order[id(group.problems[0])])


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
