"""Batches of a run's samples, and the shard of them that one of several processes computes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from pixfoundation.errors import DataError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Shard:
    """One of N equal shards of a run's batches.

    Attributes:
        number: Number of this shard, from 1.
        count: Number of shards, N.
    """

    number: int
    count: int

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.count:
            raise DataError(
                f"In a shard K/N, K must be from 1 to N, but got {self.number}/{self.count}."
            )

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Read a shard such as `2/4`.

        Raises:
            DataError: If `text` is not a valid shard.
        """
        match = re.fullmatch(r"\s*(\d+)\s*/\s*(\d+)\s*", text)
        if not match:
            raise DataError(f"Expected a shard as 2/4 (the second of four), but got {text!r}.")
        return cls(int(match[1]), int(match[2]))

    @property
    def file_infix(self) -> str:
        """The middle of this shard's file names, as in `answers.2-of-4.jsonl`."""
        return f"{self.number}-of-{self.count}"

    def holds(self, batch: int) -> bool:
        """Return whether a batch, counted from 0, belongs to this shard."""
        return batch % self.count == self.number - 1


@dataclass(frozen=True, slots=True)
class Batching:
    """How samples are cut into batches, and which of them a process computes.

    Attributes:
        size: Number of samples per batch; all protocols of a sample are asked together.
        shard: The shard of this process; None to compute all batches.
    """

    size: int = 1
    shard: Shard | None = None

    def __post_init__(self) -> None:
        if self.size < 1:
            raise DataError(f"The batch size must be at least 1, but got {self.size}.")

    @property
    def file_infix(self) -> str | None:
        """The middle of this process's file names; None if it is the only one."""
        return None if self.shard is None else self.shard.file_infix

    def cut(self, items: Iterable[T]) -> list[list[T]]:
        """Return the batches that this process computes."""
        batches: list[list[T]] = []
        iterator = iter(items)
        while batch := list(islice(iterator, self.size)):
            batches.append(batch)
        if self.shard is None:
            return batches
        return [batch for number, batch in enumerate(batches) if self.shard.holds(number)]


ONE_BY_ONE = Batching()
"""Batches of one sample, all of them computed by this process."""
