"""The rule-based judge of protocol 1: which option does a free answer mean?

The published judge is GPT-4o, asked whether the answer is right. Rules need no network and are the
offline default; they read the answer with the tolerant option parser. An answer from which no
single option follows is unparsed: it counts as wrong, and its number is in every table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pixfoundation.choice_parsing import parse_tolerant
from pixfoundation.runs.records import AnswerRecord, VerdictRecord
from pixfoundation.types import Sample

RULES = "rules"
"""Name of the rule-based judge."""


@dataclass(frozen=True, slots=True)
class Grade:
    """Whether an answer is right.

    Attributes:
        right: False also where it could not be parsed.
        parsed: Whether an option, or the judge's verdict, could be read.
    """

    right: bool
    parsed: bool


def grade_by_rules(sample: Sample, answer: AnswerRecord) -> Grade:
    """Grades one free answer by its words."""
    found = parse_tolerant(answer.text, sample.options)
    return Grade(sample.answer in found, bool(found))


def grade_by_verdicts(
    verdicts: Mapping[str, VerdictRecord], sample: Sample, answer: AnswerRecord
) -> Grade:
    """Grades one free answer by what a judge said; an answer that it did not grade is unparsed."""
    verdict = verdicts.get(sample.id)
    if verdict is None or not verdict.valid:
        return Grade(False, False)
    return Grade(verdict.value is True, True)
