"""The words of an answer that a segmentation token belongs to."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from pixfoundation.models.common.spans import trimmed_span

TAGS = ("<p>", "</p>")
_BOUNDARY = re.compile(r"[.,;:!?\n]")
_REPLIES = re.compile(
    r"(?:sure|it is|the (?:target|segmentation (?:result|mask)) is|sure the segmentation \w+ is)?",
    re.IGNORECASE,
)
"""What the models are trained to say before a segmentation token that names nothing."""


class Words(NamedTuple):
    """Words of an answer.

    Attributes:
        text: The words.
        span: [start, end) characters in the answer.
    """

    text: str
    span: tuple[int, int]


def words_before(
    text: str,
    token_ids: Sequence[int],
    spans: Sequence[tuple[int, int]],
    seg_token_id: int,
) -> list[Words | None]:
    """Return for every segmentation token the phrase before it; None if there is none.

    A phrase between `<p>` and `</p>` is taken where the text has one since the previous
    segmentation token; else the words since the last punctuation mark or segmentation token,
    unless they are the reply that the models are trained to give ('Sure', 'It is').

    Args:
        text: The answer, in which segmentation tokens are not shown.
        token_ids: Its tokens.
        spans: [start, end) characters of each token.
        seg_token_id: Id of the segmentation token.
    """
    phrases: list[Words | None] = []
    start = 0
    for token, (_, at) in zip(token_ids, spans, strict=True):
        if token == seg_token_id:
            phrases.append(_phrase(text, start, at))
            start = at
    return phrases


def _phrase(text: str, start: int, end: int) -> Words | None:
    opened, closed = (text.rfind(tag, start, end) for tag in TAGS)
    if opened >= 0 and closed > opened:
        start, end = opened + len(TAGS[0]), closed
    elif boundaries := list(_BOUNDARY.finditer(text, start, end)):
        start = boundaries[-1].end()
    span = trimmed_span(text, start, end)
    if span is None:
        return None
    words = text[slice(*span)]
    if _REPLIES.fullmatch(words) or not any(c.isalnum() for c in words):
        return None
    return Words(words, span)
