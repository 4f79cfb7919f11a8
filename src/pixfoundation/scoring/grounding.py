"""The overlap of the selected masks with the ground truth, by protocol and selector."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pixfoundation.conventions import DEFAULT, MissingCandidates, NoMask, ScoringConventions
from pixfoundation.errors import DataError, RunError
from pixfoundation.masks import Mask
from pixfoundation.runs.records import AnswerRecord, CandidateRecord, VerdictRecord
from pixfoundation.scoring.intervals import Bootstrap, Estimate
from pixfoundation.scoring.iou import Overlaps, overlaps
from pixfoundation.selectors import AnswerCandidates, Selector
from pixfoundation.selectors.base import Pick
from pixfoundation.types import Protocol, Sample, Selection


@dataclass(frozen=True, slots=True, eq=False)
class MaskScores:
    """The masks of one protocol and selector against the ground truth.

    Attributes:
        protocol: 1, 2 or 3.
        selector: Name of the selector.
        all_asked: mIoU over all samples that were asked.
        present: mIoU over the samples that have an expression (PixMMVP: 286 of 300).
        ciou: Sum of intersections over sum of unions, over all samples that were asked.
        no_choice: Number of samples for which nothing was selected, not even an empty mask: the
            answer offered no mask, or the judge gave no verdict.
        no_mask: Number of samples for which a model that outputs masks itself output none.
        offered: Number of answers with at least one mask to select from.
        nothing_offered: Number of answers without any.
        picked_nothing: Number of these for which the selector chose none of them.
        missing: Number of samples without candidates, failed ones included; they count 0.
        overlaps: Overlap of the selected mask with the ground truth, by sample.
        selections: Selection of each sample; None where candidates are missing.
    """

    protocol: Protocol
    selector: str
    all_asked: Estimate
    present: Estimate
    ciou: Estimate
    no_choice: int
    no_mask: int
    offered: int
    nothing_offered: int
    picked_nothing: int
    missing: int
    overlaps: Overlaps
    selections: tuple[Selection | None, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the numbers as plain JSON data."""
        return {
            "all": self.all_asked.value,
            "present": self.present.value,
            "n_all": self.all_asked.n,
            "n_present": self.present.n,
            "ciou": self.ciou.value,
            "all_interval": self.all_asked.to_json()["interval"],
            "present_interval": self.present.to_json()["interval"],
            "ciou_interval": self.ciou.to_json()["interval"],
            "no_choice": self.no_choice,
            "no_mask": self.no_mask,
            "picked_nothing": self.picked_nothing,
            "missing": self.missing,
        }


def collect_candidates(
    samples: Sequence[Sample],
    candidates: Mapping[str, CandidateRecord],
    answers: Mapping[str, AnswerRecord],
    picks: Mapping[str, Pick],
) -> list[AnswerCandidates | None]:
    """Return what selectors choose from, sample by sample; None where candidates are missing.

    Args:
        samples: The samples.
        candidates: The candidates of one protocol by sample id.
        answers: The answers of the same protocol by sample id.
        picks: The judge's picks by sample id.
    """
    # Next to its own masks, a model may be grounded in another way, such as by its attention.
    grounded_otherwise = any(
        candidate.source != "native"
        for record in candidates.values()
        for candidate in record.candidates
    )
    offered: list[AnswerCandidates | None] = []
    for sample in samples:
        record, answer = candidates.get(sample.id), answers.get(sample.id)
        if record is None or record.error is not None or (answer and answer.error is not None):
            offered.append(None)
            continue
        gives_masks = answer is not None and answer.masks is not None
        native = (gives_masks and not grounded_otherwise) or any(
            candidate.source == "native" for candidate in record.candidates
        )
        pick = picks.get(sample.id)
        offered.append(AnswerCandidates(sample, record.candidates, record.random, pick, native))
    return offered


def picks_from(verdicts: Sequence[VerdictRecord], judge: str | None) -> dict[str, Pick]:
    """Return a judge's picks by sample id; an absent object, or 'none of them', picks no mask.

    Args:
        verdicts: The verdicts about one protocol, in the order written.
        judge: Name of the judge; verdicts of others are ignored.
    """
    picks: dict[str, Pick] = {}
    for verdict in verdicts:
        if verdict.judge != judge or not verdict.valid:
            continue
        if verdict.kind == "presence" and verdict.value is False:
            picks[verdict.sample] = Pick(None)
        elif verdict.kind == "pick":
            index = verdict.value
            picks[verdict.sample] = Pick(index if isinstance(index, int) else None)
    return picks


def was_asked(sample: Sample, protocol: Protocol, imported: bool) -> bool:
    """Return whether a run asks about the sample; the published code asks about every sample."""
    if imported:
        return True
    return sample.asks(protocol)


def is_referring(samples: Sequence[Sample]) -> bool:
    """Return whether the samples ask for nothing but the masks of expressions."""
    return any(s.expression is not None for s in samples) and all(
        s.question is None for s in samples
    )


def measure(
    protocol: Protocol,
    selector: Selector,
    samples: Sequence[Sample],
    offered: Sequence[AnswerCandidates | None],
    asked: Sequence[bool],
    bootstrap: Bootstrap,
    *,
    conventions: ScoringConventions = DEFAULT.scoring,
) -> MaskScores:
    """Select a mask for every sample, and measure its overlap with the ground truth.

    Args:
        protocol: 1, 2 or 3.
        selector: Selects the masks.
        samples: The samples in the bootstrap's order.
        offered: What there is to select from, by sample; None where candidates are missing.
        asked: Which samples the model was asked about.
        bootstrap: The draws of the intervals.
        conventions: Rules of the scores; those about missing and empty masks are used here.

    Raises:
        RunError: If a candidate's mask is not of its image's size.
    """
    shows_nothing = conventions.no_mask is NoMask.EMPTY_MASK
    selections: list[Selection | None] = []
    masks: list[Mask | None] = []
    for sample, answer in zip(samples, offered, strict=True):
        if answer is None and conventions.missing_candidates is MissingCandidates.NO_MASK:
            answer = AnswerCandidates(sample, ())
        selection = _select(selector, answer, protocol) if answer is not None else None
        mask = selection.mask if selection is not None else None
        if mask is None and answer is not None and not answer.candidates and shows_nothing:
            mask = Mask.empty(sample.size)
        selections.append(selection)
        masks.append(mask)
    measured = _overlaps(samples, masks, asked, protocol)
    counted = measured.counted(conventions.empty_truth)
    iou = np.where(counted, measured.iou, np.nan)
    has_expression = np.array([sample.has_truth for sample in samples], dtype=bool)
    expected = [c for c, a in zip(offered, asked, strict=True) if a]
    choices = [
        selection
        for answer, selection in zip(offered, selections, strict=True)
        if answer is not None and selection is not None and _offers_mask(answer)
    ]
    return MaskScores(
        protocol,
        selector.name,
        all_asked=bootstrap.mean(iou),
        present=bootstrap.mean(np.where(has_expression, iou, np.nan)),
        ciou=bootstrap.ratio(
            np.where(counted, measured.intersection, np.nan),
            np.where(counted, measured.union, np.nan),
        ),
        no_choice=sum(
            answer is not None and selection is not None and selection.mask is None
            for answer, selection in zip(offered, selections, strict=True)
        ),
        no_mask=sum(c is not None and c.native and not c.candidates for c in expected),
        offered=len(choices),
        nothing_offered=sum(c is not None and not _offers_mask(c) for c in expected),
        picked_nothing=sum(map(_picked_nothing, choices)),
        missing=sum(c is None for c in expected),
        overlaps=measured,
        selections=tuple(selections),
    )


def _offers_mask(answer: AnswerCandidates) -> bool:
    return any(not candidate.mask.is_empty for candidate in answer.candidates)


def _picked_nothing(selection: Selection) -> bool:
    nothing = selection.mask is None or selection.mask.is_empty
    return nothing and selection.candidate is None


def _select(selector: Selector, answer: AnswerCandidates, protocol: Protocol) -> Selection:
    try:
        return selector.select(answer)
    except DataError as error:
        raise _wrong_size(answer.sample, protocol, error) from error


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
