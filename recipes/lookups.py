"""Lessons that need no picture: which letter stands before an option."""

from __future__ import annotations

import numpy as np

from pixfoundation.datasets.pixscenes.scenes import CHARACTERS, COLOURS
from recipes.texts import Lesson, options_text

LETTERS = "ABCDEFG"
OPTIONS = tuple(
    word[0].upper() + word[1:]
    for word in (
        *COLOURS,
        *("yes", "no", "left", "right", "above", "below", "one", "two", "three", "four", "open"),
        *("closed", "round", "pointed", "full", "empty", "side", "front", "on", "off", "striped"),
        *("top", "bottom", "raised", "lowered", "folded", "flat", "square", "plain"),
        *CHARACTERS,
    )
)
"""Every text that an option can have."""

_IN_ORDER = 0.7
"""Share of lists whose letters are A, B, C ...; in others only the letter itself can be right."""


def lookup_lesson(rng: np.random.Generator, *, named_before: bool) -> Lesson:
    """Return a list of two to seven options, one of them named, and its letter.

    Args:
        rng: source of randomness.
        named_before: whether the prompt names the option and the answer is the letter alone, as in
            protocol 2, or the answer has just named it.
    """
    count = 2 if rng.random() < 0.6 else int(rng.integers(3, len(LETTERS) + 1))
    options = [str(word) for word in rng.permutation(OPTIONS)[:count]]
    ordered = rng.random() < _IN_ORDER
    letters = list(LETTERS[:count]) if ordered else list(rng.permutation(list(LETTERS))[:count])
    place = int(rng.integers(count))
    prompt, answer = options_text(options, letters), f" {letters[place]}"
    if named_before:
        option = options[place]
        named = option if option in CHARACTERS else option.lower()
        return Lesson("lookup", f"It is {named}. {prompt}", answer)
    return Lesson("lookup", prompt, answer, begun=f" {options[place]}")
