"""Numbers with their nouns, in English."""

from __future__ import annotations

from collections.abc import Sequence


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """Return a number with its noun in the form that the number asks for.

    Args:
        number: The number, 0 or more.
        noun: The singular.
        plural: The plural; None for the singular with an s.

    Example:
        >>> counted(1, "answer"), counted(12000, "answer"), counted(2, "query", "queries")
        ('1 answer', '12000 answers', '2 queries')
    """
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Return rows of cells as lines of text: the first column to the left, the others to the right.

    Example:
        >>> print(aligned([["", "A"], ["similarity", "9.5"], ["oracle", "60.0"]]))
                       A
        similarity   9.5
        oracle      60.0
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines: list[str] = []
    for first, *others in rows:
        cells = [first.ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def listed(title: str, fields: Sequence[tuple[str, object]]) -> str:
    """Return a title and below it one line for each field that has a value.

    Example:
        >>> print(listed("tiny-llava", [("gives", "attention"), ("dtype", None)]))
        tiny-llava
          gives  attention
    """
    known = [(name, str(value)) for name, value in fields if value not in (None, "")]
    width = max((len(name) for name, _ in known), default=0)
    return "\n".join([title, *(f"  {name.ljust(width)}  {value}" for name, value in known)])
