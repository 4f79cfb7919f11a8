"""What a benchmark is to the rest of the package, and where benchmarks are found by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from pixfoundation.registry import Registry
from pixfoundation.types import Sample


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong with a data set on disk.

    Attributes:
        file: The file it is in.
        entry: Which row, id or key of it.
        message: What is wrong, and what to do if that is known.
        severity: An error makes a score wrong or impossible; a warning is odd but harmless.
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
        """Return a hash of everything that the scores depend on."""
        ...

    def check(self) -> list[Problem]:
        """Look for everything that is wrong with the data on disk."""
        ...


DatasetFactory = Callable[..., Dataset]
"""`factory(root: Path | None = None, **options) -> Dataset`: reads the dataset."""

datasets: Registry[DatasetFactory] = Registry("dataset", group="pixfoundation.datasets")
