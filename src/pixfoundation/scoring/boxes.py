"""Scores of boxes, for samples whose truth is a box."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pixfoundation.metrics import box_iou
from pixfoundation.runs.records import CandidateRecord
from pixfoundation.scoring.accuracy import Accuracy
from pixfoundation.scoring.grounding import MaskScores
from pixfoundation.scoring.intervals import Bootstrap, Estimate
from pixfoundation.selectors.builtin import OF_RANDOM_MASKS
from pixfoundation.types import Sample, Selection

BOX_SUCCESS = 0.5
"""A box succeeds from this IoU on."""


@dataclass(frozen=True, slots=True, eq=False)
class BoxScores:
    """Predicted boxes against truth that is a box.

    Attributes:
        iou: Mean IoU of the boxes.
        accuracy: Share of the boxes whose IoU is at least `BOX_SUCCESS`.
        right_and_grounded: Share of the questions that are answered right and whose box succeeds;
            None if no question was answered.
    """

    iou: Estimate
    accuracy: Estimate
    right_and_grounded: Estimate | None

    def to_json(self) -> dict[str, Any]:
        """Return the numbers as plain JSON data; fractions run from 0 to 1."""
        both = self.right_and_grounded
        return {
            "iou": self.iou.to_json(),
            "accuracy": self.accuracy.to_json(),
            "right_and_grounded": None if both is None else both.to_json(),
        }


def measure(
    masks: MaskScores,
    samples: Sequence[Sample],
    candidates: Mapping[str, CandidateRecord],
    accuracy: Accuracy | None,
    bootstrap: Bootstrap,
) -> BoxScores:
    """Measure the boxes of the selected candidates of one protocol and selector.

    The predicted box is the one that the answer states, else the box around the selected mask.
    With several boxes as truth, the filled boxes are compared with the selected mask.

    Args:
        masks: The selected masks.
        samples: The samples in the bootstrap's order.
        candidates: The candidates of the protocol by sample id.
        accuracy: The accuracy whose answers the boxes are paired with; None without any.
        bootstrap: The draws of the intervals.
    """
    values = np.full(len(samples), np.nan)
    for i, (sample, selection) in enumerate(zip(samples, masks.selections, strict=True)):
        if sample.boxes and not np.isnan(masks.overlaps.iou[i]):
            values[i] = _box_overlap(sample, selection, candidates.get(sample.id))
    success = np.where(np.isnan(values), np.nan, (values >= BOX_SUCCESS).astype(float))
    both = None if accuracy is None else bootstrap.mean(accuracy.right * success)
    return BoxScores(bootstrap.mean(values), bootstrap.mean(success), both)


def _box_overlap(
    sample: Sample, selection: Selection | None, record: CandidateRecord | None
) -> float:
    if selection is None or selection.mask is None:
        return 0.0
    truth, *others = sample.boxes
    if others:
        return selection.mask.iou(sample.mask)
    stated = None
    if record is not None and selection.candidate is not None:
        of_random = selection.selector in OF_RANDOM_MASKS
        candidate = (record.random if of_random else record.candidates)[selection.candidate]
        stated = candidate.box if candidate.source == "coordinates" else None
    return box_iou(stated or selection.mask.box, truth)
