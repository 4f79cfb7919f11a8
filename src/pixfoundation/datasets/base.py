"""The protocol that every dataset follows, and the registry of datasets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from pixfoundation.errors import DataError
from pixfoundation.registry import Registry
from pixfoundation.types import Sample
from pixfoundation.wording import counted, listed


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem of a dataset on disk.

    Attributes:
        file: The file that has the problem.
        entry: The row, id or key in that file.
        message: What is wrong and, where known, what to do about it.
        severity: `error` if scores would be wrong or impossible, `warning` if it is odd but
            harmless.
    """

    file: Path
    entry: str
    message: str
    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        return f"{self.file}: {self.entry}: {self.message}"


class Dataset(Protocol):
    """Samples to ask models about."""

    @property
    def name(self) -> str:
        """The name it was loaded by."""
        ...

    @property
    def samples(self) -> Sequence[Sample]:
        """The samples in a fixed order."""
        ...

    @property
    def notes(self) -> Sequence[str]:
        """What a table must state next to the numbers (which answers, which resizing)."""
        ...

    def fingerprint(self) -> str:
        """Return a hash of all data that the scores depend on."""
        ...

    def check(self) -> list[Problem]:
        """Return every problem of the data on disk."""
        ...


def describe_dataset(dataset: Dataset) -> str:
    """Return what a dataset holds as a short table; of one with errors, the first of them."""
    try:
        samples = dataset.samples
    except DataError as error:
        return listed(dataset.name, [("problem", error)])
    pairs = len({sample.pair for sample in samples if sample.pair is not None})
    objects = [sample for sample in samples if sample.expression is not None]
    absent = sum(sample.mask.area == 0 and not sample.boxes for sample in objects)
    images = len({sample.image for sample in samples})
    return listed(
        f"{dataset.name}: {counted(len(samples), 'sample')}",
        [
            ("images", f"{images}, {counted(pairs, 'pair')}" if pairs else images),
            ("questions", sum(sample.has_answer for sample in samples) or None),
            ("expressions", f"{len(objects)}, {absent} of them absent" if objects else None),
            ("folder", getattr(dataset, "root", None)),
            ("notes", "; ".join(dataset.notes)),
        ],
    )


DatasetFactory = Callable[..., Dataset]
"""`factory(root: Path | None = None, **options) -> Dataset`: reads the dataset."""

datasets: Registry[DatasetFactory] = Registry("dataset", group="pixfoundation.datasets")
