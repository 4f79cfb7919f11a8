"""From what a model said to the option that it chose.

Two readings: the published one of `protocol2_accuracy.py` (MSiam/PixFoundation, arXiv 2502.04192),
and a tolerant one. Both return letters in lower case.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from pixfoundation.types import LETTERS

OptionParser = Callable[[str, Sequence[str]], frozenset[str]]
"""`parser(text, options) -> letters that the text means`; empty: it could not be parsed."""

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
    """Read an answer as the published scoring of protocol 2 does.

    Lower case; what follows the last 'answer is' or 'answer:'; `.:,` off the right, `(` off the
    left, `)` off the right; then it must equal a letter or an option's whole text. So 'a. open' and
    '(a) open' are not understood.

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
    """Read an answer as the published scoring of PixCV-Bench does: by its first character.

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
    """Read an answer as a person would: 'A.', '(A)', 'Option A', 'A: Open', the option's text.

    A letter outweighs a text. An answer that names several options, or denies the one that it
    names, stays unparsed.

    Args:
        text: What the model said.
        options: The options' texts without their letters.

    Returns:
        The one letter that was meant; empty if that cannot be said.

    Example:
        >>> sorted(parse_tolerant("The answer is (b) Closed.", ["Open", "Closed"]))
        ['b']
        >>> sorted(parse_tolerant("The wings are open.", ["Open", "Closed"]))
        ['a']
        >>> sorted(parse_tolerant("A dog that is neither.", ["Open", "Closed"]))
        []
    """
    known = LETTERS[: len(options)]
    said = _plain(text)
    tail = _CUE.split(said)[-1] if _CUE.search(said) else None
    for part in (said, tail):
        if part is not None and (letter := _whole(part, options, known)):
            return frozenset(letter)
    for part in (tail, said):
        if part is not None and (letter := _marked(part, options, known)):
            return frozenset(letter)
    bracketed = {letter for letter in _BRACKETED.findall(said) if letter in known}
    if bracketed:
        return frozenset(bracketed) if len(bracketed) == 1 else frozenset()
    return _mentioned(said, options)


PARSERS: dict[str, OptionParser] = {
    "tolerant": parse_tolerant,
    "published": parse_published,
    "published-cvbench": parse_published_cvbench,
}


def _plain(text: str) -> str:
    """Lower case without markup, quotes and runs of white space; number words as digits."""
    text = re.sub(r"[*_`\"“”‘’]+", "", text.replace("’", "'").lower())
    text = re.sub(r"\s+", " ", text).strip()
    return re.sub(r"\b[a-z]+\b", lambda word: _NUMBERS.get(word[0], word[0]), text)


def _option(text: str) -> str:
    return _plain(text).strip(" .,:;!?")


def _whole(part: str, options: Sequence[str], known: str) -> str | None:
    """The letter if the part is nothing but a letter or one option's text."""
    if (match := _LETTER_ALONE.match(part)) and match[1] in known:
        return match[1]
    bare = _option(part)
    same = [
        letter
        for letter, option in zip(LETTERS, options, strict=False)
        if bare and bare == _option(option)
    ]
    return same[0] if len(same) == 1 else None


def _marked(part: str, options: Sequence[str], known: str) -> str | None:
    """The letter that the part begins with, if it stands there as a letter and not as a word."""
    match = _LETTER_FIRST.match(part) or _NAMED_OPTION.match(part)
    if match and match[1] in known:
        return match[1]
    for letter, option in zip(known, options, strict=False):
        if _option(option) and part.startswith(f"{letter} {_option(option)}"):
            return letter
    return None


def _mentioned(said: str, options: Sequence[str]) -> frozenset[str]:
    """The one option whose text occurs undenied; longer texts are looked for first."""
    found: set[str] = set()
    texts = [(letter, _option(option)) for letter, option in zip(LETTERS, options, strict=False)]
    for letter, option in sorted(texts, key=lambda pair: -len(pair[1])):
        if not option:
            continue
        pattern = rf"(?<!\w){re.escape(option)}(?!\w)"
        denied = rf"{_DENIED}\s+(?:(?!but\b)\w+\s+){{0,2}}?{pattern}"
        said, refused = re.subn(denied, " # ", said)
        said, named = re.subn(pattern, " # ", said)
        if refused and not named:
            continue
        if named:
            found.add(letter)
    return frozenset(found) if len(found) == 1 else frozenset()
