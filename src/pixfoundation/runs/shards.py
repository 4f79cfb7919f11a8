"""Which share of a run one of several processes computes."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pixfoundation.errors import DataError


@dataclass(frozen=True, slots=True)
class Shard:
    """One of so many equal shares of a run's batches.

    Attributes:
        number: Which one, from 1.
        of: How many there are.
    """

    number: int
    of: int

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.of:
            raise DataError(f"A part K/N has a K from 1 to N, but got {self.number}/{self.of}.")

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Read `2/4`.

        Raises:
            DataError: If it is none of the parts.
        """
        found = re.fullmatch(r"\s*(\d+)\s*/\s*(\d+)\s*", text)
        if not found:
            raise DataError(f"Expected a part as 2/4 (the second of four), but got {text!r}.")
        return cls(int(found[1]), int(found[2]))

    @property
    def shard(self) -> str:
        """The part of a file's name that tells its lines from those of the others."""
        return f"{self.number}-of-{self.of}"

    def holds(self, batch: int) -> bool:
        """Tells whether a batch, counted from 0, is this part's."""
        return batch % self.of == self.number - 1
