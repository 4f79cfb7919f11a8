"""Options that already carry their letters, such as '(a) Open' or 'B. Closed'."""

from __future__ import annotations

import re
from collections.abc import Sequence

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
