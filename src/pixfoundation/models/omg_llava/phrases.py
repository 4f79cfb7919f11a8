"""Finds the masks whose phrase is most like an expression."""

from __future__ import annotations

import re
from collections.abc import Sequence

_ARTICLES = frozenset({"a", "an", "the"})


def most_similar(phrases: Sequence[str | None], expression: str) -> list[int]:
    """Find the masks whose phrase is most like an expression.

    Args:
        phrases: The phrase of each mask; None for a mask without a phrase.
        expression: The expression to compare with.

    Returns:
        Indices of the masks that share the largest part of their words with it (intersection over
        union, articles and case aside); empty if no phrase shares a word.
    """
    words = _words(expression)
    shares = [
        len(words & own) / len(words | own) if (own := _words(phrase or "")) else 0.0
        for phrase in phrases
    ]
    best = max(shares, default=0.0)
    return [index for index, share in enumerate(shares) if share == best and best > 0]


def _words(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", text.lower())) - _ARTICLES
