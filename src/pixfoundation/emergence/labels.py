"""Whose concept labels count for the best phrases: the rules', or a judge's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pixfoundation.emergence.best import AnswerOverlap
from pixfoundation.emergence.concepts import labels_of_judge
from pixfoundation.errors import RunError
from pixfoundation.runs.records import RULES
from pixfoundation.runs.run_records import RunRecords


@dataclass(frozen=True, slots=True)
class Labels:
    """The concepts of the best phrases.

    Attributes:
        letters: One or two of each phrase; none where a judge gave no verdict on it.
        by: `rules`, or the judge's name.
        judge: Whom the rules are compared with; None if no judge labelled anything.
        agreement: Share of phrases where the rules' letter is among the judge's; None without one.
        compared: How many phrases that is a share of.
    """

    letters: tuple[tuple[str, ...], ...]
    by: str
    judge: str | None = None
    agreement: float | None = None
    compared: int = 0

    @property
    def count(self) -> int:
        """How many phrases have a label."""
        return sum(bool(letters) for letters in self.letters)


def choose_labels(
    records: RunRecords,
    answers: Sequence[AnswerOverlap],
    by_rules: Sequence[Sequence[str]],
    judge: str | None,
) -> Labels:
    """Return the labels that count, and how often rules and judge agree where both exist.

    Args:
        records: The run, for its verdicts.
        answers: Each with a best phrase.
        by_rules: The rules' letter for every phrase of every answer.
        judge: Whose labels count; None for the last judge that wrote, or the rules; `rules`.

    Raises:
        RunError: If the run holds no labels by that judge.
    """
    names = [verdict.judge for verdict in records.verdicts if verdict.kind == "concept"]
    if judge not in (None, RULES, *names):
        raise RunError(
            f"{records.run.path} has no concept labels by {judge!r}. It has: "
            f"{', '.join(dict.fromkeys(names)) or 'none'}."
        )
    best = [each.best or 0 for each in answers]
    own = tuple((row[i],) for row, i in zip(by_rules, best, strict=True))
    compared = judge if judge not in (None, RULES) else names[-1] if names else None
    if compared is None:
        return Labels(own, RULES)
    said = labels_of_judge(records.verdicts, compared)
    theirs = tuple(
        tuple(said.get((*each.answer.key, each.phrases[i].text), ()))
        for each, i in zip(answers, best, strict=True)
    )
    agree = [mine[0] in other for mine, other in zip(own, theirs, strict=True) if other]
    return Labels(
        own if judge == RULES else theirs,
        RULES if judge == RULES else compared,
        compared,
        float(np.mean(agree)) if agree else None,
        len(agree),
    )
