"""Which colour stands for a noun phrase: the same in figures, report, page and terminal."""

from __future__ import annotations

from collections.abc import Sequence

from pixfoundation.types import Phrase

PHRASE_COLOURS = ("#d55e00", "#0072b2", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#f0e442")
"""Told apart by colour-blind eyes as well (Okabe and Ito, 'Color Universal Design')."""


def phrase_colour(number: int) -> str:
    """Return the colour of the phrase at a place among those of its answer, counted from 0."""
    return PHRASE_COLOURS[number % len(PHRASE_COLOURS)]


def token_colours(phrases: Sequence[Phrase]) -> dict[int, str]:
    """Return the colour of every token that is in a phrase, by the token's place.

    Args:
        phrases: Of one answer, in the order of the text.
    """
    return {
        token: phrase_colour(number)
        for number, phrase in enumerate(phrases)
        for token in phrase.tokens
    }
