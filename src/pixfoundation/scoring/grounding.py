"""How well the chosen masks of one protocol meet the ground truth, selector by selector."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixfoundation.conventions import DEFAULT, MissingCandidates, NoMask, ScoringConventions
from pixfoundation.errors import DataError, RunError
from pixfoundation.masks import Mask
from pixfoundation.runs.records import AnswerRecord, CandidateRecord, VerdictRecord
from pixfoundation.scoring.intervals import Bootstrap, Estimate
from pixfoundation.scoring.iou import Overlaps, overlaps
from pixfoundation.selectors import Choice, Selector
from pixfoundation.selectors.base import Pick
from pixfoundation.types import Protocol, Sample, Selection


@dataclass(frozen=True, slots=True, eq=False)
class MaskScores:
    """The masks of one protocol and selector against the ground truth.

    Attributes:
        protocol: 1, 2 or 3.
        selector: Its name.
        all: mIoU over all samples that were asked.
        present: mIoU over those that have an expression (PixMMVP: 286 of 300).
        ciou: Sum of intersections over sum of unions, over all.
        no_choice: Samples whose answer offered no mask, or whose judge picked none.
        no_mask: Samples for which a model that gives masks of its own gave none.
        missing: Samples without candidates at all, failed ones included; they count 0.
        overlaps: By sample.
        selections: By sample; None where candidates are missing.
    """

    protocol: Protocol
    selector: str
    all: Estimate
    present: Estimate
    ciou: Estimate
    no_choice: int
    no_mask: int
    missing: int
    overlaps: Overlaps
    selections: tuple[Selection | None, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the figures as plain JSON data."""
        return {
            "all": self.all.value,
            "present": self.present.value,
            "n_all": self.all.n,
            "n_present": self.present.n,
            "ciou": self.ciou.value,
            "all_interval": self.all.to_json()["interval"],
            "present_interval": self.present.to_json()["interval"],
            "ciou_interval": self.ciou.to_json()["interval"],
            "no_choice": self.no_choice,
            "no_mask": self.no_mask,
            "missing": self.missing,
        }


def build_choices(
    samples: Sequence[Sample],
    candidates: Mapping[str, CandidateRecord],
    answers: Mapping[str, AnswerRecord],
    picks: Mapping[str, Pick],
) -> list[Choice | None]:
    """Return what there is to choose from, sample by sample; None where candidates are missing."""
    choices: list[Choice | None] = []
    for sample in samples:
        record, answer = candidates.get(sample.id), answers.get(sample.id)
        if record is None or record.error is not None or (answer and answer.error is not None):
            choices.append(None)
            continue
        native = (answer is not None and answer.masks is not None) or any(
            candidate.source == "native" for candidate in record.candidates
        )
        pick = picks.get(sample.id)
        choices.append(Choice(sample, record.candidates, record.random, pick, native))
    return choices


def picks_from(verdicts: Sequence[VerdictRecord], judge: str | None) -> dict[str, Pick]:
    """Return a judge's picks by sample: an absent object, or 'none of them', is a pick of nothing.

    Args:
        verdicts: Of one protocol, in the order written.
        judge: Whose; verdicts of others are passed over.
    """
    picks: dict[str, Pick] = {}
    for verdict in verdicts:
        if verdict.judge != judge or not verdict.valid:
            continue
        if verdict.kind == "presence" and verdict.value is False:
            picks[verdict.sample] = Pick(None)
        elif verdict.kind == "pick":
            picks[verdict.sample] = Pick(verdict.value)
    return picks


def was_asked(sample: Sample, protocol: Protocol, imported: bool) -> bool:
    """Whether a run asks about the sample; the published code asks about all, even for 'None'."""
    if imported:
        return True
    return sample.expression is not None if protocol == 3 else sample.question is not None


def measure(
    protocol: Protocol,
    selector: Selector,
    samples: Sequence[Sample],
    choices: Sequence[Choice | None],
    asked: Sequence[bool],
    bootstrap: Bootstrap,
    *,
    conventions: ScoringConventions = DEFAULT.scoring,
) -> MaskScores:
    """Select for every sample, and measures.

    An answer that offers no mask shows nothing: an empty mask. The published code counts it 0 even
    where there is nothing to find.

    Raises:
        RunError: If a candidate's mask is not of its image's size.
    """
    shows_nothing = conventions.no_mask is NoMask.EMPTY_MASK
    selections: list[Selection | None] = []
    masks: list[Mask | None] = []
    for sample, choice in zip(samples, choices, strict=True):
        if choice is None and conventions.missing_candidates is MissingCandidates.NO_MASK:
            choice = Choice(sample, ())
        selection = _select(selector, choice, protocol) if choice is not None else None
        mask = selection.mask if selection is not None else None
        if mask is None and choice is not None and not choice.candidates and shows_nothing:
            mask = Mask.empty(sample.size)
        selections.append(selection)
        masks.append(mask)
    found = _overlaps(samples, masks, asked, protocol)
    counted = found.counted(conventions.empty_truth)
    iou = np.where(counted, found.iou, np.nan)
    has_expression = np.array([sample.expression is not None for sample in samples], dtype=bool)
    wanted = [c for c, a in zip(choices, asked, strict=True) if a]
    return MaskScores(
        protocol,
        selector.name,
        all=bootstrap.mean(iou),
        present=bootstrap.mean(np.where(has_expression, iou, np.nan)),
        ciou=bootstrap.ratio(
            np.where(counted, found.intersection, np.nan), np.where(counted, found.union, np.nan)
        ),
        no_choice=sum(
            choice is not None and selection is not None and selection.mask is None
            for choice, selection in zip(choices, selections, strict=True)
        ),
        no_mask=sum(c is not None and c.native and not c.candidates for c in wanted),
        missing=sum(c is None for c in wanted),
        overlaps=found,
        selections=tuple(selections),
    )


def members(samples: Sequence[Sample], tag: str, value: str) -> NDArray[np.bool_]:
    """Return which samples carry that value of a tag, bool [n]."""
    return np.array([sample.tags.get(tag) == value for sample in samples], dtype=bool)


def _select(selector: Selector, choice: Choice, protocol: Protocol) -> Selection:
    try:
        return selector.select(choice)
    except DataError as error:
        raise _wrong_size(choice.sample, protocol, error) from error


def _overlaps(
    samples: Sequence[Sample],
    masks: Sequence[Mask | None],
    asked: Sequence[bool],
    protocol: Protocol,
) -> Overlaps:
    for sample, mask in zip(samples, masks, strict=True):
        if mask is not None and mask.size != sample.size:
            raise _wrong_size(sample, protocol, f"{mask.size} and not {sample.size}")
    return overlaps(samples, masks, asked)


def _wrong_size(sample: Sample, protocol: Protocol, reason: object) -> RunError:
    return RunError(
        f"candidates.jsonl, sample {sample.id}, protocol {protocol}: a mask is not of the image's "
        f"size (height, width): {reason}. Delete that line to have it computed again."
    )
