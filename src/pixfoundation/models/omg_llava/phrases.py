"""Which words of an answer a mask belongs to: `<p> words </p> [SEG]`, read from the ids."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pixfoundation.models.llama_tokens import Decoded
from pixfoundation.models.omg_llava.tokens import TURN_END
from pixfoundation.models.omg_llava.vocabulary import Vocabulary

Span = tuple[int, int]

_ARTICLES = frozenset({"a", "an", "the"})


def phrase_spans(ids: Sequence[int], decoded: Decoded, vocabulary: Vocabulary) -> list[Span | None]:
    """Finds the phrase of every mask.

    A mask belongs to the last phrase that was closed before its [SEG] and after the [SEG] before.

    Args:
        ids: Generated ids.
        decoded: Their text and spans.
        vocabulary: The ids of the marks.

    Returns:
        For every [SEG] that has a state (the very last id has none) the characters of its phrase,
        white space left out; None if no phrase was closed for it.
    """
    found: list[Span | None] = []
    opened: int | None = None
    phrase: Span | None = None
    for position, token in enumerate(ids[:-1]):
        if token == vocabulary.phrase_open:
            opened = position
        elif token == vocabulary.phrase_close and opened is not None:
            phrase = _trimmed(decoded.text, decoded.spans[opened][1], decoded.spans[position][0])
            opened = None
        elif token == vocabulary.seg:
            found.append(phrase)
            phrase = None
    return found


def named(phrases: Sequence[str | None], wanted: str) -> list[int]:
    """Finds the masks whose phrase is most like the wanted one.

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
    """Cleans an answer as the published wrapper does before it is judged.

    Args:
        text: The answer with its marks.
    """
    text = text.replace("\n", "").replace("  ", " ")
    for mark in ("<s>", TURN_END, "[SEG]", "<p>", "</p>"):
        text = text.replace(mark, "")
    return text.strip()


def _words(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", text.lower())) - _ARTICLES


def _trimmed(text: str, start: int, end: int) -> Span | None:
    words = text[start:end]
    start += len(words) - len(words.lstrip())
    return (start, start + len(words.strip())) if words.strip() else None
