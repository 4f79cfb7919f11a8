"""The colour of each noun phrase, the same in figures, reports, notebooks and the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from pixfoundation.types import Phrase

PHRASE_COLOURS = ("#d55e00", "#0072b2", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#f0e442")
"""Colours that colour-blind readers can tell apart (Okabe and Ito, 'Color Universal Design')."""


def phrase_colour(number: int) -> str:
    """Return the colour of a phrase by its index among the phrases of the answer."""
    return PHRASE_COLOURS[number % len(PHRASE_COLOURS)]


def token_colours(phrases: Sequence[Phrase]) -> dict[int, str]:
    """Return the colour of every token that belongs to a phrase, by the index of the token.

    Args:
        phrases: The phrases of one answer in the order of the text.
    """
    return {
        token: phrase_colour(number)
        for number, phrase in enumerate(phrases)
        for token in phrase.tokens
    }
