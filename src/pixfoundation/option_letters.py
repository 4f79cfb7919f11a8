"""Options that already carry their letters, such as '(a) Open' or 'B. Closed'."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pixfoundation.errors import DataError
from pixfoundation.types import LETTERS

_LETTERED = re.compile(r"\s*[(\[]?([a-z])(?:[)\]][.:]?|[.:])\s+(\S.*)", re.IGNORECASE | re.DOTALL)


def bare_options(options: Sequence[str]) -> tuple[str, ...]:
    """Return the texts of options without their letters.

    Letters are taken off only if every option carries its own, in order.

    Example:
        >>> bare_options(["(a) Open", "(b) Closed"]), bare_options(["A. Smith", "C. Doe"])
        (('Open', 'Closed'), ('A. Smith', 'C. Doe'))
    """
    bare: list[str] = []
    for letter, option in zip(LETTERS, options, strict=False):
        match = _LETTERED.fullmatch(option)
        if match is None or match[1].lower() != letter:
            return tuple(options)
        bare.append(match[2])
    return tuple(bare) if len(bare) == len(options) > 1 else tuple(options)


def split_lettered(text: str) -> tuple[str, ...]:
    """Split options such as `(A) 0 (B) 2` or `(a) Open (b) Closed` at their letters, stripped.

    Raises:
        DataError: If the text does not begin with the first letter, or has fewer than two options.

    Example:
        >>> split_lettered("(A) 0 (B) 2")
        ('0', '2')
    """
    first = text.lstrip()[:3]
    if first not in ("(a)", "(A)"):
        raise DataError(f"options are written '(a) ... (b) ...', but these are {text!r}.")
    letters = LETTERS.upper() if first == "(A)" else LETTERS
    parts: list[str] = []
    rest = text.lstrip()[3:]
    for following in letters[1:]:
        part, marker, after = rest.partition(f"({following})")
        parts.append(part.strip())
        if not marker:
            break
        rest = after
    if len(parts) < 2 or not all(parts):
        raise DataError(f"a question needs two options or more, but these are {text!r}.")
    return tuple(parts)
