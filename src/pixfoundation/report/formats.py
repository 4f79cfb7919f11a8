"""Formats of the tables that are written to files or printed as text."""

from __future__ import annotations

from enum import StrEnum


class TableFormat(StrEnum):
    """The language of a table."""

    MARKDOWN = "markdown"
    LATEX = "latex"
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
