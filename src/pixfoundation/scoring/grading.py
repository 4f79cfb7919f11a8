"""Grades of protocol 1: which option does a free answer mean?

The published judge is GPT-4o, asked whether the answer is right. The rules need no network and are
the offline default; they read the answer with the tolerant option parser. An answer from which no
single option follows is unparsed: it counts as wrong, and the number of such answers is in every
table.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from pixfoundation.choice_parsing import parse_tolerant
from pixfoundation.runs.records import AnswerRecord, VerdictRecord
from pixfoundation.types import Sample


@dataclass(frozen=True, slots=True)
class Grade:
    """Whether an answer is right.

    Attributes:
        right: Whether the answer is right; False also where it could not be parsed.
        parsed: Whether an option, or the judge's verdict, could be read.
    """

    right: bool
    parsed: bool


def grade_by_rules(sample: Sample, answer: AnswerRecord) -> Grade:
    """Grade a free answer with the tolerant option parser.

    An answer to a question without options is right if it holds the words of a right answer, in
    their order and next to each other; articles, punctuation and case do not count.
    """
    if sample.answer is None:
        words = _words(answer.text)
        correct = any(_holds(words, _words(reference)) for reference in sample.references)
        return Grade(correct, bool(words))
    letters = parse_tolerant(answer.text, sample.options)
    return Grade(sample.answer in letters, bool(letters))


def _words(text: str) -> list[str]:
    """Return the words of a text in lower case, without articles and punctuation.

    Example:
        >>> _words("It's a  Red-brick house.")
        ['it', 's', 'red', 'brick', 'house']
    """
    return [word for word in re.findall(r"\w+", text.lower()) if word not in ("a", "an", "the")]


def _holds(words: list[str], reference: list[str]) -> bool:
    """Return whether words hold others as a run of their own."""
    length = len(reference)
    places = range(len(words) - length + 1)
    return length > 0 and any(words[place : place + length] == reference for place in places)


def grade_by_verdicts(
    verdicts: Mapping[str, VerdictRecord], sample: Sample, answer: AnswerRecord
) -> Grade:
    """Grade a free answer by a judge's verdict; an answer without a verdict is unparsed.

    Args:
        verdicts: The judge's grades by sample id.
        sample: The sample.
        answer: The answer; only the verdict about it is read.
    """
    verdict = verdicts.get(sample.id)
    if verdict is None or not verdict.valid:
        return Grade(False, False)
    return Grade(verdict.value is True, True)
