"""What judges said, counted: verdicts, those that are none, and what was not judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pixfoundation.runs.importing.row_files import IMPORTED
from pixfoundation.runs.records import AnswerRecord, CandidateRecord, Key, VerdictRecord
from pixfoundation.runs.run_records import RunRecords
from pixfoundation.types import Sample

_LACKING = {
    "grade": "answers of protocol 1; they count as wrong",
    "presence": "questions whether the object is there; its masks were shown all the same",
    "pick": "picks; no mask is chosen there",
}


@dataclass(frozen=True, slots=True)
class VerdictCount:
    """A judge's verdicts of one kind.

    Attributes:
        judge: Whose.
        said: How many there are, those that are none included.
        no_verdict: How many are none: the judge answered something else, twice.
        open: How many are still to be had: judging was not finished. 0 for imported verdicts.
        masks: Of picks: how many masks the judged answers have.
        spared: Of picks: how many of them were not shown, since near-equal ones were.
    """

    judge: str
    said: int
    no_verdict: int
    open: int
    masks: int = 0
    spared: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return the counts as plain JSON data."""
        return asdict(self)


def count_verdicts(evidence: RunRecords, judges: Mapping[str, str]) -> dict[str, VerdictCount]:
    """Count the verdicts of the judges that a scoring goes by.

    Args:
        evidence: Of the run; of several verdicts with one key the last counts.
        judges: The judge by kind of verdict: `grade`, `presence`, `pick`.
    """
    by_id = {sample.id: sample for sample in evidence.samples}
    candidates = evidence.candidates
    counts: dict[str, VerdictCount] = {}
    for kind, judge in judges.items():
        said: dict[Key, VerdictRecord] = {
            (v.sample, v.protocol): v
            for v in evidence.verdicts
            if (v.kind, v.judge) == (kind, judge) and v.sample in by_id
        }
        if not said:
            continue
        wanted = {
            key
            for key, answer in evidence.answers.items()
            if key[0] in by_id
            and answer.error is None
            and judge != IMPORTED
            and _is_judged(kind, by_id[key[0]], answer, candidates.get(key))
        }
        offered = [len(candidates[key].candidates) for key in said if key in candidates]
        counts[kind] = VerdictCount(
            judge,
            len(said),
            sum(not verdict.valid for verdict in said.values()),
            len(wanted - said.keys()),
            sum(offered) if kind == "pick" else 0,
            sum(verdict.spared for verdict in said.values()),
        )
    return counts


def verdict_notes(counts: Mapping[str, VerdictCount]) -> list[str]:
    """Return what must be said of the verdicts beside the numbers."""
    notes = []
    for kind, count in counts.items():
        what, _, effect = _LACKING[kind].partition("; ")
        if count.no_verdict:
            notes.append(
                f"{count.judge}: no verdict, though asked twice, on {count.no_verdict} of "
                f"{count.said} {what}; {effect}."
            )
        if count.open and kind != "presence":
            notes.append(
                f"{count.judge}: {count.open} {what} are not judged yet; {effect}. "
                "`pixfoundation judge` goes on from there."
            )
        if count.spared:
            notes.append(
                f"{count.judge} was shown {count.masks - count.spared} of {count.masks} masks: "
                f"{count.spared} nearly equal another."
            )
    return notes


def _is_judged(
    kind: str, sample: Sample, answer: AnswerRecord, found: CandidateRecord | None
) -> bool:
    if kind == "grade":
        return answer.protocol == 1 and sample.answer is not None
    return sample.expression is not None and found is not None and bool(found.candidates)
