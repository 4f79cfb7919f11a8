"""The words of an answer that a mask belongs to, and the masks that a name means."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pixfoundation.models.common.llama_tokens import Decoded
from pixfoundation.models.common.llava_sam.prompt import Phrase
from pixfoundation.models.common.spans import trimmed_span
from pixfoundation.models.omg_llava.tokenizer import TURN_END

Span = tuple[int, int]

_ARTICLES = frozenset({"a", "an", "the"})


def characters(phrase: Phrase | None, decoded: Decoded) -> Span | None:
    """Return the characters of a phrase, white space at its ends left out; None for none."""
    if phrase is None or phrase.start == phrase.end:
        return None
    start, end = decoded.spans[phrase.start][0], decoded.spans[phrase.end - 1][1]
    return trimmed_span(decoded.text, start, end)


def named(phrases: Sequence[str | None], wanted: str) -> list[int]:
    """Find the masks whose phrase is most like the wanted one.

    Args:
        phrases: Of each mask; None where it has none.
        wanted: The name.

    Returns:
        Indices of the masks that share the largest part of their words with it (intersection over
        union, articles and case aside); none if no phrase shares a word.
    """
    words = _words(wanted)
    shares = [
        len(words & own) / len(words | own) if (own := _words(phrase or "")) else 0.0
        for phrase in phrases
    ]
    best = max(shares, default=0.0)
    return [index for index, share in enumerate(shares) if share == best and best > 0]


def published_text(text: str) -> str:
    """Clean an answer as the published wrapper does before it is judged.

    Args:
        text: The answer with its marks.
    """
    text = text.replace("\n", "").replace("  ", " ")
    for mark in ("<s>", TURN_END, "[SEG]", "<p>", "</p>"):
        text = text.replace(mark, "")
    return text.strip()


def _words(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", text.lower())) - _ARTICLES
