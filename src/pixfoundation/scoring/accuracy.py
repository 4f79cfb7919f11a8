"""Accuracy of the answers: by question and by pair, always both.

A pair is right only if both its questions are (MMVP's metric, which the published tables show). An
answer that is missing, failed or cannot be parsed counts as wrong, unless `ScoringConventions` says
otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixfoundation.choice_parsing import PARSERS
from pixfoundation.conventions import DEFAULT, MissingAnswers, PairRule, ScoringConventions
from pixfoundation.runs.records import AnswerRecord
from pixfoundation.scoring.grading import Grade
from pixfoundation.scoring.intervals import Bootstrap, Estimate
from pixfoundation.scoring.options import ParserName
from pixfoundation.types import Protocol, Sample

Grader = Callable[[Sample, AnswerRecord], Grade]


@dataclass(frozen=True, slots=True, eq=False)
class Accuracy:
    """The share of right answers of one protocol.

    Attributes:
        protocol: 1 or 2.
        graded_by: Name of the judge or of the option parser.
        question: Accuracy over questions.
        pair: Accuracy over pairs; its value is None where the dataset has no pairs.
        unparsed: Number of answers from which no option follows.
        unanswered: Number of questions without an answer, failed ones included.
        right: Grade of each sample: 1 right, 0 wrong, NaN not asked; float64 [samples].
    """

    protocol: Protocol
    graded_by: str
    question: Estimate
    pair: Estimate
    unparsed: int
    unanswered: int
    right: NDArray[np.float64]

    def to_json(self) -> dict[str, Any]:
        """Return the numbers as plain JSON data."""
        return {
            "question": self.question.value,
            "pair": self.pair.value,
            "unparsed": self.unparsed,
            "unanswered": self.unanswered,
            "graded_by": self.graded_by,
            "n_questions": self.question.n,
            "n_pairs": self.pair.n,
            "question_interval": self.question.to_json()["interval"],
            "pair_interval": self.pair.to_json()["interval"],
        }


def measure(
    protocol: Protocol,
    samples: Sequence[Sample],
    answers: Mapping[str, AnswerRecord],
    grader: Grader,
    graded_by: str,
    bootstrap: Bootstrap,
    *,
    conventions: ScoringConventions = DEFAULT.scoring,
) -> Accuracy:
    """Grade all answers of one protocol.

    Args:
        protocol: 1 or 2.
        samples: All samples that were asked or should have been, in the bootstrap's order.
        answers: The answers by sample id, in the order written.
        grader: Grades one answer.
        graded_by: Name of the grader.
        bootstrap: The draws of the intervals.
        conventions: Rules of the scores; `pair_rule` and `missing_answers` are used here.
    """
    right = np.full(len(samples), np.nan)
    unparsed = unanswered = 0
    for i, sample in enumerate(samples):
        if not sample.has_answer or not (sample.asks(protocol) or sample.id in answers):
            continue
        answer = answers.get(sample.id)
        if answer is None or answer.error is not None:
            unanswered += 1
            right[i] = 0.0
            continue
        grade = grader(sample, answer)
        right[i] = float(grade.right)
        unparsed += not grade.parsed
    question = bootstrap.mean(right)
    pair = bootstrap.pairs(both_right(right, samples, bootstrap))
    lines = _lines(samples, answers, right, conventions.missing_answers)
    if lines and conventions.missing_answers is MissingAnswers.LEFT_OUT:
        question = replace(question, value=sum(lines.values()) / len(lines), n=len(lines))
    if lines and conventions.pair_rule is PairRule.CONSECUTIVE:
        pair = _by_consecutive_lines(protocol, samples, list(lines.values()), pair)
    elif lines and conventions.missing_answers is MissingAnswers.LEFT_OUT:
        present = np.array([sample.id in lines for sample in samples], dtype=bool)
        answered = np.where(present, right, np.nan)
        pair = bootstrap.pairs(both_right(answered, samples, bootstrap))
    return Accuracy(protocol, graded_by, question, pair, unparsed, unanswered, right)


def parser_grader(parser: ParserName) -> Grader:
    """Return the grader of protocol 2 that reads option letters with this parser."""
    parse = PARSERS[parser]

    def grade(sample: Sample, answer: AnswerRecord) -> Grade:
        letters = parse(answer.text, sample.options)
        return Grade(sample.answer in letters, bool(letters))

    return grade


def both_right(
    right: NDArray[np.float64], samples: Sequence[Sample], bootstrap: Bootstrap
) -> NDArray[np.float64]:
    """Return for each drawn unit whether all its samples are right; NaN for a unit without a pair.

    Args:
        right: Grade of each sample, float64 [samples]; NaN was not asked.
        samples: The samples in the bootstrap's order.
        bootstrap: The draws, whose units are the pairs.

    Returns:
        float64 [units].
    """
    worst = np.full(bootstrap.units, np.inf)
    with np.errstate(
        invalid="ignore"
    ):  # NaN wins: a pair of which one question was asked does not count
        np.minimum.at(worst, bootstrap.unit, right)
    paired = np.array([sample.pair is not None for sample in samples], dtype=bool)
    members = np.bincount(bootstrap.unit, paired, bootstrap.units)
    return np.where((members >= 2) & np.isfinite(worst), worst, np.nan)


def _lines(
    samples: Sequence[Sample],
    answers: Mapping[str, AnswerRecord],
    right: NDArray[np.float64],
    missing: MissingAnswers,
) -> dict[str, bool]:
    """Return whether each line is right, as the published counters see a file of answers.

    Args:
        samples: All samples.
        answers: The answers by sample id, in the order written.
        right: The grades in the order of the samples, float64 [samples]; NaN was not asked.
        missing: `left-out` for the answers on record in their order, `wrong` for a line per sample.
    """
    grades = {sample.id: grade for sample, grade in zip(samples, right, strict=True)}
    order = answers if missing is MissingAnswers.LEFT_OUT else grades
    return {id: grades[id] == 1.0 for id in order if grades.get(id, -1.0) >= 0}


def _by_consecutive_lines(
    protocol: Protocol, samples: Sequence[Sample], lines: Sequence[bool], pair: Estimate
) -> Estimate:
    """Return the accuracy by pair where two consecutive lines of a file make a pair.

    In protocol 1 they do so even where the dataset has no pairs. `protocol1_accuracy.py` ignores a
    last odd line; `protocol2_accuracy.py` divides twice the right pairs by the lines and adds a
    right last one.
    """
    if protocol == 2 and all(sample.pair is None for sample in samples):
        return pair
    pairs = [a and b for a, b in zip(lines[::2], lines[1::2], strict=False)]
    if protocol == 1:
        value = sum(pairs) / len(pairs) if pairs else None
    else:
        last = int(len(lines) % 2 == 1 and lines[-1])
        value = (2 * sum(pairs) + last) / len(lines)
    return Estimate(value, len(pairs), pair.draws, pair.units)
