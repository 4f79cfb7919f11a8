"""Option parsers: which option a model's answer chooses.

There are the published parsers of `protocol2_accuracy.py` (MSiam/PixFoundation, arXiv 2502.04192)
and a tolerant one. All return letters in lower case.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from pixfoundation.types import LETTERS

OptionParser = Callable[[str, Sequence[str]], frozenset[str]]
"""`parser(text, options)` returns the letters that the text means; empty if it cannot be parsed."""

_PUBLISHED_CUES = ("answer is", "answer is:", "answer:")
_NUMBERS = {
    "zero": "0", "one": "1", "two": "2", "three": "3", "four": "4", "five": "5", "six": "6",
    "seven": "7", "eight": "8", "nine": "9", "ten": "10", "eleven": "11", "twelve": "12",
}  # fmt: skip
_DENIED = r"(?:\bnot|n't|\bnever|\brather than|\binstead of|\bas opposed to|\bthan|\bwithout)"
_LETTER_ALONE = re.compile(r"^\W*(?:option|choice|letter)?\W*([a-z])\W*$")
_LETTER_FIRST = re.compile(r"^\W*(?:(?:option|choice|letter)\s+)?\(?([a-z])(?:\)|[.:,](?=\s|$)|$)")
_NAMED_OPTION = re.compile(r"^\W*(?:option|choice|letter)\s+\(?([a-z])\b")
_BRACKETED = re.compile(r"\(([a-z])\)")
_CUE = re.compile(r"\b(?:answer|option|choice)\s*(?:is|would be|:)\s*:?\s*")


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
    """Parse an answer in the usual spellings: 'A.', '(A)', 'Option A', 'A: Open', or the text.

    A letter takes precedence over a text. An answer that names several options, or negates the
    only one that it names, is not parsed.

    Args:
        text: The model's answer.
        options: Texts of the options without their letters.

    Returns:
        The letter that the answer means; empty if it cannot be parsed.

    Example:
        >>> sorted(parse_tolerant("The answer is (b) Closed.", ["Open", "Closed"]))
        ['b']
        >>> sorted(parse_tolerant("The wings are open.", ["Open", "Closed"]))
        ['a']
        >>> sorted(parse_tolerant("A dog that is neither.", ["Open", "Closed"]))
        []
    """
    known = LETTERS[: len(options)]
    plain = _plain(text)
    tail = _CUE.split(plain)[-1] if _CUE.search(plain) else None
    for part in (plain, tail):
        if part is not None and (letter := _whole(part, options, known)):
            return frozenset(letter)
    for part in (tail, plain):
        if part is not None and (letter := _marked(part, options, known)):
            return frozenset(letter)
    bracketed = {letter for letter in _BRACKETED.findall(plain) if letter in known}
    if bracketed:
        return frozenset(bracketed) if len(bracketed) == 1 else frozenset()
    return _mentioned(plain, options)


PARSERS: dict[str, OptionParser] = {
    "tolerant": parse_tolerant,
    "published": parse_published,
    "published-cvbench": parse_published_cvbench,
}


def _plain(text: str) -> str:
    """Return a text in lower case, without markup, quotes and repeated white space.

    Number words become digits.
    """
    text = re.sub(r"[*_`\"“”‘’]+", "", text.replace("’", "'").lower())
    text = re.sub(r"\s+", " ", text).strip()
    return re.sub(r"\b[a-z]+\b", lambda word: _NUMBERS.get(word[0], word[0]), text)


def _option(text: str) -> str:
    return _plain(text).strip(" .,:;!?")


def _whole(part: str, options: Sequence[str], known: str) -> str | None:
    """Return the letter if the part consists only of a letter or of the text of one option."""
    if (match := _LETTER_ALONE.match(part)) and match[1] in known:
        return match[1]
    bare = _option(part)
    matching = [
        letter
        for letter, option in zip(LETTERS, options, strict=False)
        if bare and bare == _option(option)
    ]
    return matching[0] if len(matching) == 1 else None


def _marked(part: str, options: Sequence[str], known: str) -> str | None:
    """Return the letter at the beginning of the part, unless it is a word such as 'a'."""
    match = _LETTER_FIRST.match(part) or _NAMED_OPTION.match(part)
    if match and match[1] in known:
        return match[1]
    for letter, option in zip(known, options, strict=False):
        if _option(option) and part.startswith(f"{letter} {_option(option)}"):
            return letter
    return None


def _mentioned(text: str, options: Sequence[str]) -> frozenset[str]:
    """Return the only option whose text occurs without a negation; longer texts match first."""
    mentioned: set[str] = set()
    texts = [(letter, _option(option)) for letter, option in zip(LETTERS, options, strict=False)]
    for letter, option in sorted(texts, key=lambda pair: -len(pair[1])):
        if not option:
            continue
        pattern = rf"(?<!\w){re.escape(option)}(?!\w)"
        denied = rf"{_DENIED}\s+(?:(?!but\b)\w+\s+){{0,2}}?{pattern}"
        text, _ = re.subn(denied, " # ", text)
        text, mentions = re.subn(pattern, " # ", text)
        if mentions:
            mentioned.add(letter)
    return frozenset(mentioned) if len(mentioned) == 1 else frozenset()
