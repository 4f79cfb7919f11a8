"""From mentions and claims to the one option that an answer means, if there is one."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from pixfoundation.choice_parsing.claims import Stance, after_final_cue, stances
from pixfoundation.choice_parsing.function_words import (
    AMBIGUOUS_WORDS,
    PREPOSITIONS,
    may_name_option,
)
from pixfoundation.choice_parsing.mentions import Mention, find_mentions
from pixfoundation.choice_parsing.normalising import undressed
from pixfoundation.types import LETTERS

BEGINNING, END = 2_000, 6_000
"""Characters that are read of a longer answer: its beginning and its end."""

_WHOLE_LETTER = re.compile(
    r"\W*(?:(?:my|the|final|correct|best|right)\s+)*(?:(?:option|choice|letter"
    r"|answer)\b(?:\s+is)?)?\W*"
    r"([a-z])\W*",
    re.IGNORECASE,
)
_CORRECTION = re.compile(
    r"\b(?:wait|hold on|sorry|correction|scratch that|i mean|i meant|on second thoughts?|or rather"
    r"|my mistake|oops|upon closer (?:look|inspection)|let me (?:correct|re-?check|reconsider)\w*"
    r"|actually|no wait|nope)\b[\s,:;.!—–-]*|(?:\A|(?<=[.,;?!—–-])"
    r"|(?<=[.,;?!—–-]\s))no\b(?:\s*[,:;.!—–-]+\s*|\s(?=(?-i:[(A-Z])))",
    re.IGNORECASE,
)


def read_choice(text: str, options: Sequence[str]) -> frozenset[str]:
    """Return the letter that an answer means; empty if it means none, or several.

    Args:
        text: The answer alone, without thoughts.
        options: Texts of the options without their letters.
    """
    known = LETTERS[: len(options)]
    text = undressed(text)
    if len(text) > BEGINNING + END:
        text = f"{text[:BEGINNING]}\n{text[-END:]}"
    whole = _WHOLE_LETTER.fullmatch(text)
    if whole and not re.search(r"[!~]\s*\w", text):
        letter = whole[1].lower()
        return frozenset(letter) if letter in known else _of_whole_text(text, options)
    if letters := _of_whole_text(text, options):
        return letters
    text = after_final_cue(text)
    denied: set[str] = set()
    for segment in reversed(_segments(text, options)):
        mentions = find_mentions(segment, options)
        if not mentions:
            continue
        results = stances(segment, _without_listing(segment, mentions))
        verdict = _verdict(segment, results, denied)
        if verdict is not None:
            return frozenset(verdict) & frozenset(known) if len(verdict) == 1 else frozenset()
        denied |= {stance.mention.letter for stance in results if stance.denied}
    return frozenset()


def _of_whole_text(text: str, options: Sequence[str]) -> frozenset[str]:
    """Return the letter of the only option whose text is the whole answer."""
    mentions = find_mentions(text, options)
    whole = [m for m in mentions if m.by_text and not text[: m.start].strip(" .,:;!?\"'()[]")
             and not text[m.end :].strip(" .,:;!?\"'()[]")]  # fmt: skip
    letters = {mention.letter for mention in whole}
    return (
        frozenset(letters)
        if len(mentions) == 1 and len(letters) == 1 and "" not in letters
        else frozenset()
    )


def _segments(text: str, options: Sequence[str]) -> list[str]:
    """Cut a text at its corrections; a 'no' that is an option is no correction."""
    texts = {option.strip(" .").lower() for option in options}
    cuts = [0]
    for match in _CORRECTION.finditer(text):
        if match[0].strip(" ,:;.!—–-").lower() not in texts:
            cuts += [match.start(), match.end()]
    cuts.append(len(text))
    return [text[cuts[i] : cuts[i + 1]] for i in range(0, len(cuts), 2)]


def _verdict(text: str, results: Sequence[Stance], denied: set[str]) -> set[str] | None:
    """Return the claimed letters of a segment; None if it decides nothing."""
    own_denied = {stance.mention.letter for stance in results if stance.denied}
    claimed = {stance.mention.letter for stance in results if stance.claimed}
    named = {stance.mention.letter for stance in results if stance.open}
    ambiguous = {
        s.mention.letter for s in results if not s.denied and _may_name_option(text, s.mention)
    }
    if claimed:
        if claimed & (denied | own_denied) or "" in claimed:
            return set()
        only_prepositions = all(
            _may_name_option(text, s.mention, PREPOSITIONS) for s in results if s.claimed
        )
        return set() if only_prepositions and (named | ambiguous) - claimed else claimed
    if len(named) == 1:
        letters = {
            s.mention.letter
            for s in results
            if s.mention.by_letter and not s.denied and not s.mention.is_plain_word
        }
        if letters - named or named & (denied | own_denied) or "" in named:
            return set()
        return named if ambiguous <= named else set()
    return set() if named else None


def _may_name_option(text: str, mention: Mention, words: Collection[str] = AMBIGUOUS_WORDS) -> bool:
    is_word = mention.by_text and mention.is_plain_word
    return is_word and may_name_option(text, mention.start, mention.end, words)


def _without_listing(text: str, mentions: Sequence[Mention]) -> list[Mention]:
    """Leave out a repetition of the options: '(a) Open (b) Closed', in order and side by side."""
    kept: list[Mention] = []
    index = 0
    while index < len(mentions):
        end = index
        while (
            end + 1 < len(mentions)
            and mentions[end].by_letter and mentions[end].by_text
            and mentions[end + 1].by_letter and mentions[end + 1].by_text
            and mentions[end].letter and mentions[end + 1].letter
            and ord(mentions[end + 1].letter) == ord(mentions[end].letter) + 1
            and re.fullmatch(
                r"[\s.,;|]*(?:or|and)?\s*(?:option )?",
                text[mentions[end].end : mentions[end + 1].start],
                re.IGNORECASE,
            )
        ):  # fmt: skip
            end += 1
        if end == index:
            kept.append(mentions[index])
        index = end + 1
    return kept
