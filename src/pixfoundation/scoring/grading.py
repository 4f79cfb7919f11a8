"""Grades of protocol 1: which option does a free answer mean?

The published judge is GPT-4o, asked whether the answer is right. The rules need no network and are
the offline default; they read the answer with the tolerant option parser. An answer from which no
single option follows is unparsed: it counts as wrong, and the number of such answers is in every
table.
"""

from __future__ import annotations

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
    """Grade a free answer with the tolerant option parser."""
    letters = parse_tolerant(answer.text, sample.options)
    return Grade(sample.answer in letters, bool(letters))


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
