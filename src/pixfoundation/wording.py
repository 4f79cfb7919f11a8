"""Numbers as text: with decimal places, intervals and nouns."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import PurePath


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


def decimal(
    value: float,
    bounds: tuple[float, float] | None = None,
    *,
    digits: int = 1,
    bound_digits: int = 1,
    signed: bool = False,
) -> str:
    """Return a number with a fixed number of decimal places, with its interval if it has one.

    All tables use it, whether they are printed, written to files or part of the report.

    Args:
        value: The number.
        bounds: Both ends of its interval; None to leave it out.
        digits: Number of decimal places of the number.
        bound_digits: Number of decimal places of the bounds.
        signed: Whether positive numbers have a plus sign.

    Example:
        >>> decimal(44.16), decimal(44.16, (2.4, 97.6), bound_digits=0), decimal(3, signed=True)
        ('44.2', '44.2 [2, 98]', '+3.0')
    """
    text = f"{value:{'+' if signed else ''}.{digits}f}"
    return text if bounds is None else f"{text} {interval(bounds, bound_digits, signed=signed)}"


def interval(bounds: tuple[float, float], digits: int = 1, *, signed: bool = False) -> str:
    """Return the bounds of an interval with a fixed number of decimal places, in brackets."""
    low, high = (decimal(bound, digits=digits, signed=signed) for bound in bounds)
    return f"[{low}, {high}]"


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


def duration(seconds: float) -> str:
    """Return a time in seconds, minutes or hours.

    Example:
        >>> duration(42.4), duration(600), duration(9000)
        ('42 s', '10 min', '2.5 h')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def pixfoundation_command(name: str, *arguments: object) -> str:
    """Return a command as a shell takes it, to be named in a message.

    Example:
        >>> print(pixfoundation_command("controls", "my runs/first", "--protocols", 1))
        pixfoundation controls 'my runs/first' --protocols 1
    """
    return shlex.join(["pixfoundation", name, *map(str, arguments)])


def without_folder(name: str) -> str:
    """Return the last part of an absolute path, and any other text as it is.

    Example:
        >>> without_folder("/home/me/checkpoints/my-llava"), without_folder("llava-hf/llava-1.5-7b")
        ('my-llava', 'llava-hf/llava-1.5-7b')
    """
    path = PurePath(name)
    return path.name if path.is_absolute() and path.name else name
