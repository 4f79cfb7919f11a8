"""`Printer`: a console that prints text and tables as they are, and cuts nothing."""

from __future__ import annotations

import os
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from pixfoundation.cli.printing import without_control

LONGEST_WORD = 20
"""Characters of a word, such as a path, that a column of text keeps together; none is a figure."""


class Printer(Console):
    """A Rich console that takes text as it is: no markup, no emoji codes, no highlighting."""

    def __init__(self, *, stderr: bool = False, width: int | None = None) -> None:
        super().__init__(
            stderr=stderr,
            width=width,
            markup=False,
            emoji=False,
            highlight=False,
            soft_wrap=True,
        )

    def render_str(self, text: str, **settings: Any) -> Text:
        """Return the text without control characters, ready to be printed."""
        return super().render_str(without_control(text), **settings)

    def print_prose(self, text: str, style: str | None = None) -> None:
        """Print sentences, broken between words where the terminal ends."""
        self.print(text, style=style, soft_wrap=not self._is_narrow)

    @property
    def _is_narrow(self) -> bool:
        """Whether lines have a greatest length: on a terminal, or where COLUMNS says so."""
        return self.is_terminal or "COLUMNS" in os.environ

    def print_table(self, table: Table) -> None:
        """Print a table so that no cell is cut.

        In a file or pipe, each row is one line. On a terminal that is too narrow, the columns that
        do not fit are continued below, each time with the leading left-aligned columns in front.

        Args:
            table: A table without rules; only columns without `no_wrap` may be wrapped.
        """
        if not self._is_narrow:
            self._print_whole(table, _width(table.columns, table, wrapped=False))
            return
        for number, columns in enumerate(_parts(table, self.width)):
            part = _with_columns(table, columns)
            if number and table.title:
                part.title = "(continued)"
            self._print_whole(part, _width(columns, table, wrapped=True))

    def _print_whole(self, table: Table, width: int) -> None:
        if width <= self.width:
            self.print(table)
        else:
            Printer(stderr=self.stderr, width=width).print(table)


def _parts(table: Table, width: int) -> list[list[Column]]:
    """Split the columns so that each part fits into a width; every part has the leading ones."""
    leading: list[Column] = []
    for column in table.columns[:-1]:
        if column.justify != "left" or (leading and len(leading) == 2):
            break
        leading.append(column)
    parts: list[list[Column]] = []
    current = list(leading)
    for column in table.columns[len(leading) :]:
        if len(current) > len(leading) and _width([*current, column], table, wrapped=True) > width:
            parts.append(current)
            current = list(leading)
        current.append(column)
    return [*parts, current]


def _with_columns(table: Table, columns: list[Column]) -> Table:
    part = Table(
        title=table.title,
        title_justify=table.title_justify,
        title_style=table.title_style,
        show_header=table.show_header,
        box=table.box,
        pad_edge=table.pad_edge,
        padding=table.padding,
    )
    for column in columns:
        part.add_column(
            column.header,
            justify=column.justify,
            style=column.style,
            no_wrap=column.no_wrap,
            overflow="fold",
        )
    for row, cells in zip(
        table.rows, zip(*(column.cells for column in columns), strict=True), strict=False
    ):
        part.add_row(*cells, style=row.style)
    return part


def _width(columns: list[Column], table: Table, *, wrapped: bool) -> int:
    """Return how many characters the columns need, wrapped where they may be."""
    gap = table.padding[1] + table.padding[3]
    return sum(_column_width(column, wrapped) + gap for column in columns)


def _column_width(column: Column, wrapped: bool) -> int:
    texts = [str(cell) for cell in (column.header, *column.cells)]
    pieces = [
        piece
        for text in texts
        for piece in (text.split() if wrapped and not column.no_wrap else text.splitlines())
    ]
    widest = max((cell_len(piece) for piece in pieces), default=0)
    return min(widest, LONGEST_WORD) if wrapped and not column.no_wrap else widest
