"""Phrases of an answer that are marked by `<p> ... </p>`, and the `[SEG]` tokens behind them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from pixfoundation.models.common.llama_tokens import Decoded
from pixfoundation.models.common.spans import trimmed_span

SEG, PHRASE_START, PHRASE_END = "[SEG]", "<p>", "</p>"


class HasAddedTokens(Protocol):
    """A tokenizer, as far as phrases are found by its tokens."""

    @property
    def added(self) -> Mapping[str, int]:
        """Ids of the added tokens."""
        ...


class Phrase(NamedTuple):
    """The tokens [start, end) of a phrase between its tags."""

    start: int
    end: int


def phrases(ids: Sequence[int], tokens: HasAddedTokens) -> list[Phrase]:
    """Return all closed `<p> phrase </p>` of an answer, in order, with a mask or without one.

    This is the raw list that the published code of GLaMM pairs with the masks by position.
    """
    start_id, end_id = tokens.added.get(PHRASE_START), tokens.added.get(PHRASE_END)
    closed: list[Phrase] = []
    start: int | None = None
    for index, token in enumerate(ids):
        if token == start_id and start is None:
            start = index + 1
        elif token == end_id and start is not None:
            closed.append(Phrase(start, index))
            start = None
    return closed


def phrase_of_each_seg(
    ids: Sequence[int], tokens: HasAddedTokens, seg_token_id: int
) -> list[Phrase | None]:
    """Return for every `[SEG]` the last phrase closed since the previous `[SEG]`.

    A phrase without a mask, or a mask without a phrase, therefore does not shift the pairs after
    it.
    """
    closed = phrases(ids, tokens)
    pairs: list[Phrase | None] = []
    previous = -1
    for index, token in enumerate(ids):
        if token == seg_token_id:
            between = [phrase for phrase in closed if previous < phrase.end < index]
            pairs.append(between[-1] if between else None)
            previous = index
    return pairs


def phrase_span(phrase: tuple[int, int] | None, decoded: Decoded) -> tuple[int, int] | None:
    """Return the characters [start, end) of a phrase, without white space at its ends.

    Args:
        phrase: The tokens [start, end) of the phrase.
        decoded: The decoded answer that the phrase is a part of.

    Returns:
        None if there is no phrase, or if it holds only white space.
    """
    if phrase is None or phrase[0] == phrase[1]:
        return None
    start, end = decoded.spans[phrase[0]][0], decoded.spans[phrase[1] - 1][1]
    return trimmed_span(decoded.text, start, end)
