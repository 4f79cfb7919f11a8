"""The concept labels of the best phrases: by rules, or by a judge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pixfoundation.emergence.concepts import labels_of_judge
from pixfoundation.emergence.overlaps import AnswerOverlap
from pixfoundation.errors import RunError
from pixfoundation.runs.records import RULES
from pixfoundation.runs.run_records import RunRecords


@dataclass(frozen=True, slots=True)
class ConceptLabels:
    """The concepts of the best phrases.

    Attributes:
        letters: One or two letters per phrase; empty where a judge gave no valid verdict.
        author: `rules`, or the name of the judge.
        judge: The judge with which the rules are compared; None if no judge labelled anything.
        agreement: Share of phrases where the letter of the rules is among those of the judge; None
            without a judge.
        n_compared: Number of phrases over which `agreement` is taken.
    """

    letters: tuple[tuple[str, ...], ...]
    author: str
    judge: str | None = None
    agreement: float | None = None
    n_compared: int = 0

    @property
    def n_labelled(self) -> int:
        """Number of phrases with a label."""
        return sum(bool(letters) for letters in self.letters)


def choose_labels(
    records: RunRecords,
    answers: Sequence[AnswerOverlap],
    by_rules: Sequence[Sequence[str]],
    judge: str | None,
) -> ConceptLabels:
    """Return the labels to count, and how often rules and judge agree where both exist.

    Args:
        records: The run, for its verdicts.
        answers: Answers with a best phrase.
        by_rules: The letter of the rules for every phrase of every answer.
        judge: The judge whose labels count; `rules` for the rules; None for the judge that wrote
            last, or the rules if none did.

    Raises:
        RunError: If the run holds no labels by that judge.
    """
    judges = [verdict.judge for verdict in records.verdicts if verdict.kind == "concept"]
    if judge not in (None, RULES, *judges):
        raise RunError(
            f"{records.run.path} has no concept labels by {judge!r}. It has: "
            f"{', '.join(dict.fromkeys(judges)) or 'none'}."
        )
    best = [answer.best or 0 for answer in answers]
    own = tuple((letters[i],) for letters, i in zip(by_rules, best, strict=True))
    compared = judge if judge not in (None, RULES) else judges[-1] if judges else None
    if compared is None:
        return ConceptLabels(own, RULES)
    verdicts = labels_of_judge(records.verdicts, compared)
    judged = tuple(
        tuple(verdicts.get((*answer.answer.key, answer.phrases[i].text), ()))
        for answer, i in zip(answers, best, strict=True)
    )
    agree = [letter in letters for (letter,), letters in zip(own, judged, strict=True) if letters]
    return ConceptLabels(
        letters=own if judge == RULES else judged,
        author=RULES if judge == RULES else compared,
        judge=compared,
        agreement=float(np.mean(agree)) if agree else None,
        n_compared=len(agree),
    )
