"""Formats of the tables that are written to files or printed as text."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from enum import StrEnum


class TableFormat(StrEnum):
    """The language of a table."""

    MARKDOWN = "markdown"
    LATEX = "latex"
    BOOKTABS = "booktabs"  # LaTeX with the rules of the package booktabs
    CSV = "csv"


def latex_text(text: str) -> str:
    r"""Return a text with the characters escaped that mean something to LaTeX.

    Example:
        >>> print(latex_text("A† of tiny_llava, 95 %"))
        A$^\dagger$ of tiny\_llava, 95 \%
    """
    for character in "&%$#_{}":
        text = text.replace(character, "\\" + character)
    return text.replace("†", r"$^\dagger$")


def markdown_table(
    head: Sequence[str], rows: Sequence[Sequence[str]], notes: Sequence[str], alignment: str
) -> str:
    """Write a table as Markdown, its notes below it.

    Args:
        head: The titles of the columns.
        rows: The cells; a vertical bar in them is escaped, and a line break becomes a space.
        notes: The lines below the table.
        alignment: A letter for each column, `r` for numbers, anything else for texts.
    """
    rule = "|" + "".join("---:|" if letter == "r" else "---|" for letter in alignment)
    cells = [[cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in rows]
    lines = ["| " + " | ".join(head) + " |", rule, *("| " + " | ".join(c) + " |" for c in cells)]
    return "\n".join([*lines, "", *notes]) + "\n"


def latex_table(
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    notes: Sequence[str],
    alignment: str,
    format: TableFormat = TableFormat.LATEX,
) -> str:
    """Write a table as LaTeX, its notes as comments below it.

    Args:
        head: The titles of the columns, as LaTeX.
        rows: The cells, as LaTeX; see `latex_text`. With booktabs an empty row is a rule.
        notes: The lines of the comments.
        alignment: The alignment of each column: `l`, `c` or `r`.
        format: `latex`, or `booktabs` for the rules of that package.
    """
    booktabs = format is TableFormat.BOOKTABS
    top, middle, bottom = (
        (r"\toprule", r"\midrule", r"\bottomrule") if booktabs else (r"\hline",) * 3
    )
    lines = [rf"\begin{{tabular}}{{{alignment}}}", top, " & ".join(head) + r" \\", middle]
    lines += [" & ".join(row) + r" \\" if row else middle for row in rows]
    if booktabs:
        lines.insert(0, r"% needs \usepackage{booktabs} and, for \checkmark, \usepackage{amssymb}")
    return "\n".join([*lines, bottom, r"\end{tabular}", *(f"% {n}" for n in notes)]) + "\n"


def csv_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a table as CSV."""
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows([head, *rows])
    return file.getvalue()
