"""Find where a text names an option: by letter, by text, or by both together."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from pixfoundation.choice_parsing.function_words import (
    FUNCTION_WORDS,
    in_other_sense,
    shown_by_sentence,
)
from pixfoundation.types import LETTERS

_NUMBERS = {
    "zero": "0", "one": "1", "two": "2", "three": "3", "four": "4", "five": "5", "six": "6",
    "seven": "7", "eight": "8", "nine": "9", "ten": "10", "eleven": "11", "twelve": "12",
}  # fmt: skip
_WORDS = {digits: word for word, digits in _NUMBERS.items()}
_PRONOUN_ONE = r"(?<!the )(?<!this )(?<!that )(?<!no )(?<!each )(?<!any )(?<!every )(?<!which )"
_AFTER_ONE = r"(?! (?:of|on|that|which|is|in|at|can|could|might|may|would|should)\b)"

_LETTER = re.compile(
    r"(?P<bracketed>\(\s*([A-Za-z])\s*\)|\[\s*([A-Za-z])\s*\]|\{\s*([A-Za-z])\s*\})"
    r"|(?<![A-Za-z0-9'\-&/.])(?P<bare>[A-Za-z])(?![A-Za-z0-9'’&]|-[A-Za-z]|\.[A-Za-z])"
    r"(?P<marked>\)|\.(?=\s|$)|[:,;](?=\s|$))?"
)
_NAMED = re.compile(r"(?:option|choice|letter|answer)s?\s*['\"]?\s*\Z", re.IGNORECASE)
_MOST = 150
_BY_PLACE = re.compile(r"(?:option|choice|number|no\.|#)\s*\Z", re.IGNORECASE)
"""Before a number: whether it is an option's text or its place among them is not known."""


@dataclass(frozen=True, slots=True)
class Mention:
    """A place where a text names an option.

    Attributes:
        start: First character.
        end: One after the last character.
        letter: Letter of the option in lower case; empty if letter and text contradict each other.
        by_letter: Whether the letter is written, not only the text.
        by_text: Whether the text of the option is written.
        is_plain_word: Whether it is a word of any sentence, such as 'no' or a lower-case letter
            without brackets.
        is_marked: Whether a letter is in brackets, or followed by a full stop, colon or the like.
    """

    start: int
    end: int
    letter: str
    by_letter: bool
    by_text: bool
    is_plain_word: bool = False
    is_marked: bool = False


def find_mentions(text: str, options: Sequence[str]) -> list[Mention]:
    """Return the mentions in the order of the text.

    A letter with the text of an option right behind it, or the other way round, is one mention. A
    letter that no option has is a mention, too: it must not be passed over.

    Args:
        text: An answer as `normalising.undressed` returns it.
        options: Texts of the options without their letters.
    """
    letters = _most(list(_letters(text, len(options))))
    texts = _most(list(_texts(text, tuple(options))))
    return _joined(text, letters, texts, LETTERS[: len(options)])


def _most(mentions: list[Mention]) -> list[Mention]:
    """Return the first and the last mentions of an answer that repeats itself without end."""
    return mentions if len(mentions) <= 2 * _MOST else mentions[:_MOST] + mentions[-_MOST:]


def _letters(text: str, count: int) -> Iterator[Mention]:
    for match in _LETTER.finditer(text):
        letter = next(group for group in (match[2], match[3], match[4], match["bare"]) if group)
        bracketed, marked = match["bracketed"] is not None, match["marked"] is not None
        named = _NAMED.search(text, max(0, match.start() - 16), match.start()) is not None
        if letter.lower() not in LETTERS[: max(count, 8)]:
            continue
        is_closed = bracketed or match["marked"] == ")" or named
        is_word = not is_closed and (letter in "aiI" or _is_article(text, match))
        if is_word and letter.islower() and not (marked or match.end() == len(text)):
            continue  # 'a door'
        yield Mention(
            match.start(),
            match.end() - (1 if marked and match["marked"] != ")" else 0),
            letter.lower(),
            by_letter=True,
            by_text=False,
            is_plain_word=is_word,
            is_marked=bracketed or marked,
        )


def _is_article(text: str, match: re.Match[str]) -> bool:
    """Whether an 'A' is the article of the word behind it."""
    behind = re.match(r"\s+([a-z]+)", text[match.end("bare") : match.end("bare") + 30])
    return match["bare"] == "A" and behind is not None and behind[1] not in _BEHIND_LETTERS


_BEHIND_LETTERS = {"is", "was", "because", "since", "as", "fits", "matches", "and", "or", "not",
                   "for", "it", "would", "seems", "looks", "describes", "must", "should", "but",
                   "cannot", "can", "rather", "instead", "does", "if", "has", "with"}  # fmt: skip


_BEHIND_WORDS = r"(?![\w%]|[.,:/]\d|-(?!(?:hand|side|facing)\b)\w)"
"""After an option's text: 'left-hand' names 'left', but 'red-ish' does not name 'red'."""


@lru_cache(maxsize=512)
def _patterns(options: tuple[str, ...]) -> tuple[tuple[str, str, re.Pattern[str]], ...]:
    """Return letter, text and pattern of each option that has a text, the longest text first."""
    patterns: list[tuple[str, str, re.Pattern[str]]] = []
    for letter, option in zip(LETTERS, options, strict=False):
        bare = re.sub(r"\s+", " ", option).strip(" \t\n.,:;!?\"'*").lower()
        if not bare:
            continue
        words = [_word(word) for word in bare.split(" ")]
        before = r"(?<![\w.])" if bare[0].isalnum() else r"(?<!\w)"
        behind = _BEHIND_WORDS if bare[-1].isalnum() else r"(?!\w)"
        pattern = re.compile(before + r"\s+".join(words) + behind, re.IGNORECASE)
        patterns.append((letter, bare, pattern))
    return tuple(sorted(patterns, key=lambda entry: -len(entry[1])))


def _word(word: str) -> str:
    """Return the pattern of a word; number words and digits are the same."""
    digits = _NUMBERS.get(word, word)
    if digits == "1":
        return rf"(?:1|{_PRONOUN_ONE}one{_AFTER_ONE})"
    if digits in _WORDS:
        return rf"(?:{digits}|{_WORDS[digits]})"
    return re.escape(word)


def _texts(text: str, options: tuple[str, ...]) -> Iterator[Mention]:
    taken = bytearray(len(text))
    shown, elsewhere = shown_by_sentence(text), in_other_sense(text)
    mentions: list[Mention] = []
    patterns = _patterns(options)
    same = {bare for _, bare, _ in patterns if sum(bare == other for _, other, _ in patterns) > 1}
    for letter, bare, pattern in patterns:
        for match in pattern.finditer(text):
            if any(taken[match.start() : match.end()]):
                continue
            taken[match.start() : match.end()] = b"\1" * (match.end() - match.start())
            if match.end() in elsewhere:
                continue
            by_place = bare.isdigit() and _BY_PLACE.search(text[: match.start()][-12:])
            mentions.append(
                Mention(
                    match.start(),
                    match.end(),
                    "" if bare in same or by_place else letter,
                    by_letter=False,
                    by_text=True,
                    is_plain_word=bare in FUNCTION_WORDS and match.start() not in shown,
                )
            )
    yield from sorted(mentions, key=lambda mention: mention.start)


_BETWEEN = re.compile(r"[\s.:,)\-–—='\"(]{0,6}\Z|\s+\(\s*\Z")


def _joined(text: str, letters: list[Mention], texts: list[Mention], known: str) -> list[Mention]:
    """Join a letter and a text that stand side by side; drop letters inside texts.

    Where an option's text is nothing but a letter, the letter counts if it is that of an option,
    which are `known`; else the text does.
    """
    covered = [
        letter
        for letter in letters
        if not any(t.start <= letter.start and letter.end <= t.end for t in texts)
        or (letter.letter in known and _is_bare_letter_of_text(letter, texts))
    ]
    texts = [t for t in texts if not any(t.start >= x.start and t.end <= x.end for x in covered)]
    result: list[Mention] = []
    everything = sorted([*covered, *texts], key=lambda mention: (mention.start, mention.end))
    for mention in everything:
        before = result[-1] if result else None
        if (
            before is not None
            and before.by_letter != mention.by_letter
            and before.by_text != mention.by_text
            and _stand_together(text, before, mention)
        ):
            same = before.letter == mention.letter
            result[-1] = Mention(
                before.start,
                mention.end,
                before.letter if same else "",
                by_letter=True,
                by_text=True,
                is_marked=True,
            )
        else:
            result.append(mention)
    return result


def _stand_together(text: str, first: Mention, second: Mention) -> bool:
    between = text[first.end : second.start]
    if first.by_letter:  # 'B. Closed', '(b) the closed', 'B - closed'
        if first.is_plain_word and not first.is_marked:
            return False
        words = re.sub(r"\b(?:the|an?|it is|it's|they are|is)\b", "", between, flags=re.IGNORECASE)
        plain = between if "is" in between else words
        return bool(_BETWEEN.match(plain)) and "\n\n" not in between and ", " not in between
    # 'closed (b)'
    return (
        bool(re.fullmatch(r"\s*[,:]?\s*", between))
        and text[second.start] in "(["
        and (
            not re.match(r"[\s.,]*" + r"\w", text[second.end : second.end + 1])
            and not _begins_text(text, second)
        )
    )


def _begins_text(text: str, letter: Mention) -> bool:
    """Whether words follow a bracketed letter, as in a listing: 'Open (b) Closed'."""
    return re.match(r"\s+\w", text[letter.end : letter.end + 20]) is not None


def _is_bare_letter_of_text(letter: Mention, texts: list[Mention]) -> bool:
    """Whether an option's text is itself nothing but this letter."""
    return any(t.start >= letter.start and t.end <= letter.end for t in texts)
