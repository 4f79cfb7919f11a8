"""Verdicts of judges, counted: those given, those without a verdict, and those still missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pixfoundation.runs.records import (
    IMPORTED,
    AnswerRecord,
    CandidateRecord,
    Key,
    VerdictKind,
    VerdictRecord,
)
from pixfoundation.runs.run_records import RunRecords
from pixfoundation.types import Sample

_MOST_REASONS = 3  # reasons that a note names
_LONGEST_REASON = 120  # characters of a reason in a note


@dataclass(frozen=True, slots=True)
class _Subject:
    """What verdicts of one kind are about, for notes.

    Attributes:
        name: What is judged, in the plural.
        effect: What happens where there is no verdict.
    """

    name: str
    effect: str


_SUBJECTS: dict[VerdictKind, _Subject] = {
    "grade": _Subject("answers of protocol 1", "they count as wrong"),
    "presence": _Subject(
        "questions whether the object is there", "its masks were shown all the same"
    ),
    "pick": _Subject("picks", "no mask is chosen there"),
}


@dataclass(frozen=True, slots=True)
class VerdictCount:
    """The number of a judge's verdicts of one kind.

    Attributes:
        judge: Name of the judge.
        total: Number of verdicts, those included in which the judge did not answer.
        no_verdict: Number of replies that could not be parsed, even after one retry.
        reasons: Why there is no verdict, with the number of each known reason, the most frequent
            first.
        pending: Number of answers that the judge has not been asked about yet; 0 for imported
            verdicts.
        masks: Number of masks that the judged answers offer; 0 for other kinds than `pick`.
        deduplicated: Number of these masks that were not shown, since near-equal ones were.
    """

    judge: str
    total: int
    no_verdict: int
    pending: int
    masks: int = 0
    deduplicated: int = 0
    reasons: tuple[tuple[str, int], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the counts as plain JSON data."""
        return {
            "judge": self.judge,
            "said": self.total,
            "no_verdict": self.no_verdict,
            "open": self.pending,
            "masks": self.masks,
            "spared": self.deduplicated,
            **({"reasons": dict(self.reasons)} if self.reasons else {}),
        }

    @property
    def why(self) -> str:
        """The most frequent reasons in parentheses, after a blank; empty if none is known."""
        if not self.reasons:
            return ""
        first = [
            f"{number}: {_shortened(reason)}" for reason, number in self.reasons[:_MOST_REASONS]
        ]
        others = sum(number for _, number in self.reasons[_MOST_REASONS:])
        others += self.no_verdict - sum(number for _, number in self.reasons)
        return f" ({'; '.join([*first, *([f'{others}: other reasons'] if others else [])])})"


def count_verdicts(
    records: RunRecords, judges: Mapping[VerdictKind, str | None]
) -> dict[VerdictKind, VerdictCount]:
    """Count the verdicts that the scores of a run use.

    Of several verdicts about the same answer the last counts.

    Args:
        records: The records of the run.
        judges: The judge whose verdicts of each kind are used; None for no judge.
    """
    samples = {sample.id: sample for sample in records.samples}
    counts: dict[VerdictKind, VerdictCount] = {}
    for kind, judge in judges.items():
        verdicts: dict[Key, VerdictRecord] = {
            verdict.key: verdict
            for verdict in records.verdicts
            if (verdict.kind, verdict.judge) == (kind, judge) and verdict.sample in samples
        }
        if judge is None or not verdicts:
            continue
        offered = [records.candidates[key] for key in verdicts if key in records.candidates]
        counts[kind] = VerdictCount(
            judge,
            total=len(verdicts),
            no_verdict=sum(not verdict.valid for verdict in verdicts.values()),
            pending=0 if judge == IMPORTED else len(_judged(kind, records) - verdicts.keys()),
            masks=sum(len(record.candidates) for record in offered) if kind == "pick" else 0,
            deduplicated=sum(verdict.deduplicated for verdict in verdicts.values()),
            reasons=tuple(
                Counter(
                    verdict.reason
                    for verdict in verdicts.values()
                    if not verdict.valid and verdict.reason
                ).most_common()
            ),
        )
    return counts


def verdict_notes(counts: Mapping[VerdictKind, VerdictCount]) -> list[str]:
    """Return the notes about verdicts that a table must show with its numbers."""
    notes: list[str] = []
    for kind, count in counts.items():
        subject = _SUBJECTS[kind]
        if count.no_verdict:
            notes.append(
                f"{count.judge}: no verdict, though asked twice, on {count.no_verdict} of "
                f"{count.total} {subject.name}{count.why}; {subject.effect}."
            )
        if count.pending and kind != "presence":
            notes.append(
                f"{count.judge}: {count.pending} {subject.name} are not judged yet; "
                f"{subject.effect}. `pixfoundation judge` goes on from there."
            )
        if count.deduplicated:
            notes.append(
                f"{count.judge} was shown {count.masks - count.deduplicated} of {count.masks} "
                f"masks: {count.deduplicated} nearly equal another."
            )
    return notes


def _shortened(reason: str) -> str:
    """Return a reason without its full stop, and cut if it is long."""
    text = " ".join(reason.split()).removesuffix(".")
    return text if len(text) <= _LONGEST_REASON else f"{text[:_LONGEST_REASON]} ..."


def _judged(kind: VerdictKind, records: RunRecords) -> set[Key]:
    """Return the answers that a judge is asked about for verdicts of this kind."""
    samples = {sample.id: sample for sample in records.samples}
    return {
        key
        for key, answer in records.answers.items()
        if key[0] in samples
        and answer.error is None
        and _is_judged(kind, samples[key[0]], answer, records.candidates.get(key))
    }


def _is_judged(
    kind: VerdictKind, sample: Sample, answer: AnswerRecord, record: CandidateRecord | None
) -> bool:
    if kind == "grade":
        return answer.protocol == 1 and sample.has_answer
    return sample.expression is not None and record is not None and bool(record.candidates)
