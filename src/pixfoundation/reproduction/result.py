"""What reproducing a recipe gave: its rows next to the published ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pixfoundation.reproduction.comparison import ComparedRow
from pixfoundation.scoring.intervals import percent
from pixfoundation.scoring.paired import COLUMNS
from pixfoundation.wording import aligned, decimal


@dataclass(frozen=True, slots=True)
class Reproduction:
    """The rows of a recipe next to the published ones.

    Attributes:
        title: Title of the recipe.
        rows: The rows, in the order of the recipe.
        problems: Why a run could not be made or judged, as a clause, by its run directory.
    """

    title: str
    rows: tuple[ComparedRow, ...]
    problems: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def sources(self) -> tuple[str, ...]:
        """Where the published figures come from, each once."""
        return tuple(dict.fromkeys(row.source for row in self.rows if row.source))

    def lines(self) -> list[tuple[str, str, tuple[str, ...]]]:
        """Return the lines of the table: the row, whose figures they are, and A† to S as text."""
        lines: list[tuple[str, str, tuple[str, ...]]] = []
        for row in self.rows:
            own = tuple(percent(row.values[column]) for column in COLUMNS)
            lines.append((row.title, "this run", own))
            published = {figure.column: figure.published for figure in row.figures}
            if published:
                cells = (decimal(published[c]) if c in published else "-" for c in COLUMNS)
                lines.append(("", "published", tuple(cells)))
        return lines

    def to_json(self) -> list[dict[str, Any]]:
        """Return the rows as plain JSON data."""
        return [row.to_json() for row in self.rows]

    def __str__(self) -> str:
        table = [["", "of", *COLUMNS], *([name, of, *own] for name, of, own in self.lines())]
        verdicts = [f"{row.title}: {row.sentence}." for row in self.rows]
        published = [f"Published: {source}." for source in self.sources]
        return "\n".join([self.title, aligned(table), *verdicts, *published])
