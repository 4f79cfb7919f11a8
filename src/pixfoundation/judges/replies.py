"""Parsers of judges' replies; a reply that is not what was asked is None, never a guess."""

from __future__ import annotations

import re

_YES_NO = re.compile(r"(yes|no)[.!]*")
_NUMBER = re.compile(r"(?:(?<!\S)-)?\d+")
_MARKUP = re.compile(r"[*_`\"'“”‘’]+|\\boxed\{(?P<boxed>[^{}]*)\}|\\text\{(?P<text>[^{}]*)\}")
_LETTER = r"\(?([a-f])\)?"
_LETTERS = re.compile(
    rf"{_LETTER}(?:\s*(?:,|and|&|/|\s)\s*{_LETTER})?[.\s]*|{_LETTER}[:.,]? +[a-z/ ]+\.?"
)
"""One or two letters, in brackets or not; or one with its concept written out behind it."""


def read_yes_no(reply: str) -> bool | None:
    """Read yes or no, with any number of full stops after it, as the published scripts do.

    Markup around it is left out: `**Yes**`, `"no"`.

    Example:
        >>> read_yes_no("Yes."), read_yes_no("**no**"), read_yes_no("Yes, it does")
        (True, False, None)
    """
    match = _YES_NO.fullmatch(_plain(reply))
    return None if match is None else match[1] == "yes"


def read_number(reply: str, highest: int, *, abstain: bool = False) -> int | None:
    """Read the number of an image.

    Args:
        reply: The judge's reply.
        highest: Number of the last image.
        abstain: Whether 0 was offered for 'none of them'.

    Example:
        >>> [read_number(reply, 4) for reply in ("Image 3.", "5", "0", "2 or 3", "?")]
        [3, None, None, None, None]
    """
    numbers = {text.lstrip("0") or "0" for text in _NUMBER.findall(reply)}
    if len(numbers) != 1 or len(text := numbers.pop()) > 9:
        return None
    number = int(text)
    return number if (0 if abstain else 1) <= number <= highest else None


def read_letters(reply: str) -> list[str] | None:
    """Read one or two different letters from a to f.

    The published script counts 'a', '(a)', 'a, b' and '(a) color', and fails on 'a.' and
    '(a) and (b)'; all of these are read here.

    Example:
        >>> [read_letters(r) for r in ("(A), (E)", "e.", "b and d", "(c) Object part", "An apple")]
        [['a', 'e'], ['e'], ['b', 'd'], ['c'], None]
    """
    match = _LETTERS.fullmatch(_plain(reply))
    return None if match is None else list(dict.fromkeys(x for x in match.groups() if x))


def _plain(reply: str) -> str:
    """Return a reply in lower case, without markup and white space around it."""
    plain = _MARKUP.sub(lambda match: match["boxed"] or match["text"] or "", reply)
    return plain.strip().lower()
