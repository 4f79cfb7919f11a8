"""Option parsers: which option a model's answer chooses.

There are the published parsers of `protocol2_accuracy.py` (MSiam/PixFoundation, arXiv 2502.04192)
and a tolerant one. All return letters in lower case.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pixfoundation.answer_parts import take_apart
from pixfoundation.choice_parsing.reading import read_choice
from pixfoundation.option_letters import bare_options
from pixfoundation.types import LETTERS

OptionParser = Callable[[str, Sequence[str]], frozenset[str]]
"""`parser(text, options)` returns the letters that the text means; empty if it cannot be parsed."""

_PUBLISHED_CUES = ("answer is", "answer is:", "answer:")


def parse_published(text: str, options: Sequence[str]) -> frozenset[str]:
    """Parse an answer like the published scoring of protocol 2.

    The answer is lower-cased and cut after the last 'answer is' or 'answer:'. Then `.:,` are
    stripped on the right, `(` on the left and `)` on the right. The rest must equal a letter or the
    whole text of an option, so 'a. open' and '(a) open' are not parsed.

    Args:
        text: The model's answer.
        options: Texts of the options without their letters.

    Returns:
        The letters that the answer means; empty if it cannot be parsed.

    Example:
        >>> sorted(parse_published("The answer is (B).", ["Open", "Closed"]))
        ['b']
        >>> sorted(parse_published("B. Closed", ["Open", "Closed"]))
        []
    """
    text = text.lower().strip()
    for cue in _PUBLISHED_CUES:
        if cue in text:
            text = text.split(cue)[-1]
    text = text.strip().rstrip(".:,").lstrip("(").rstrip(")")
    return frozenset(
        letter
        for letter, option in zip(LETTERS, options, strict=False)
        if text in (letter, option.lower())
    )


def parse_published_cvbench(text: str, options: Sequence[str]) -> frozenset[str]:
    """Parse an answer like the published scoring of PixCV-Bench, by its first character.

    Args:
        text: The model's answer.
        options: Texts of the options without their letters.

    Returns:
        The letter that the answer means; empty if it cannot be parsed.

    Example:
        >>> sorted(parse_published_cvbench("(B) 3", ["2", "3"]))
        ['b']
    """
    text = text.lower().strip()
    for cue in _PUBLISHED_CUES:
        if cue in text:
            text = text.split(cue)[-1]
    text = text.strip().rstrip(".:,").lstrip("(").rstrip(")")
    known = LETTERS[: len(options)]
    return frozenset(text[:1]) if text[:1] and text[:1] in known else frozenset()


def parse_tolerant(text: str, options: Sequence[str]) -> frozenset[str]:
    """Parse an answer in whatever form it names one option, by letter or by text.

    Thoughts, wrappers and markup are taken off. Of the options that the answer names, those count
    that it claims; an answer that claims several options, denies the one that it names, or
    contradicts itself is not parsed. A correction ('A. No, B.') replaces what stands before it.

    Args:
        text: The model's answer.
        options: Texts of the options, with or without their letters.

    Returns:
        The letter that the answer means; empty if it cannot be parsed.

    Example:
        >>> sorted(parse_tolerant("It is B because (a) is wrong.", ["Open", "Closed"]))
        ['b']
        >>> sorted(parse_tolerant("The wings are open.", ["Open", "Closed"]))
        ['a']
        >>> sorted(parse_tolerant("It cannot be (a).", ["Open", "Closed"]))
        []
    """
    return read_choice(take_apart(text).text, bare_options(options))


PARSERS: dict[str, OptionParser] = {
    "tolerant": parse_tolerant,
    "published": parse_published,
    "published-cvbench": parse_published_cvbench,
}
