"""Scores of referring segmentation for the masks of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixfoundation.masks import Mask
from pixfoundation.metrics import (
    RULES,
    THRESHOLDS,
    ReferringConvention,
    ReferringOverlaps,
    boundary_iou,
    count_regions,
    measure_referring,
)
from pixfoundation.scoring.grounding import MaskScores
from pixfoundation.scoring.intervals import Bootstrap, Estimate
from pixfoundation.types import Sample


@dataclass(frozen=True, slots=True, eq=False)
class Referring:
    """The columns of a table of referring segmentation for one protocol and selector.

    Attributes:
        convention: Whose evaluation is followed.
        giou: Mean of the IoUs.
        ciou: Sum of intersections over sum of unions.
        n_acc: Share of the expressions that name nothing for which the model says so.
        t_acc: Share of the others for which it does not.
        precision: Share of the expressions with a target whose IoU reaches each threshold.
        n_without_target: Number of expressions that name nothing.
        boundary: Mean boundary IoU over the expressions with a target; None if not measured.
        overlaps: What each sample adds, in the order of the samples.
        counted: Which samples count, bool [samples].
    """

    convention: ReferringConvention
    giou: Estimate
    ciou: Estimate
    n_acc: Estimate
    t_acc: Estimate
    precision: dict[float, Estimate]
    n_without_target: int
    boundary: Estimate | None
    overlaps: ReferringOverlaps
    counted: NDArray[np.bool_]

    def within(self, members: NDArray[np.bool_], bootstrap: Bootstrap) -> dict[str, Estimate]:
        """Return gIoU and cIoU over some of the samples, bool [samples]."""
        chosen = self.counted & members
        return {
            "giou": bootstrap.mean(np.where(chosen, self.overlaps.iou, np.nan)),
            "ciou": _ratio(self.overlaps, chosen, bootstrap),
        }

    def to_json(self) -> dict[str, Any]:
        """Return the numbers as plain JSON data; fractions run from 0 to 1."""
        boundary = {} if self.boundary is None else {"boundary_iou": self.boundary.to_json()}
        return {
            **boundary,
            "convention": self.convention.value,
            "giou": self.giou.to_json(),
            "ciou": self.ciou.to_json(),
            "n_acc": self.n_acc.to_json(),
            "t_acc": self.t_acc.to_json(),
            "precision": {str(t): estimate.to_json() for t, estimate in self.precision.items()},
            "n_without_target": self.n_without_target,
        }


def default_convention(samples: Sequence[Sample]) -> ReferringConvention:
    """Return the convention under which the tables of such a dataset are published.

    ReLA's, the one of gRefCOCO, if some expressions name nothing; else LISA's, the one of RefCOCO
    and ReasonSeg.
    """
    absent = any(s.expression is not None and s.mask.is_empty for s in samples)
    return ReferringConvention.RELA if absent else ReferringConvention.LISA


def measure(
    masks: MaskScores,
    samples: Sequence[Sample],
    asked: Sequence[bool],
    convention: ReferringConvention,
    bootstrap: Bootstrap,
    *,
    boundary: bool = False,
) -> Referring:
    """Measure the selected masks of one protocol and selector.

    An answer that failed or is missing counts as a wrong one.

    Args:
        masks: The selected masks.
        samples: The samples in the bootstrap's order.
        asked: Which samples the model was asked about.
        convention: Whose evaluation is followed.
        bootstrap: The draws of the intervals.
        boundary: Whether to measure boundary IoU, which decodes every mask.
    """
    rules = RULES[convention]
    predicted = [s.mask if s is not None else None for s in masks.selections]
    counts = count_regions(
        predicted, [s.mask for s in samples], [s.ignored for s in samples], rules.ignored
    )
    overlaps = measure_referring(counts, rules)
    failed = np.array([selection is None for selection in masks.selections], dtype=bool)
    overlaps = replace(
        overlaps,
        iou=np.where(failed, 0.0, overlaps.iou),
        said_none=overlaps.said_none & ~failed,
    )
    counted = np.array(asked, dtype=bool) & np.array(
        [sample.expression is not None for sample in samples], dtype=bool
    )

    def mean(values: NDArray[np.float64]) -> Estimate:
        return bootstrap.mean(np.where(counted, values, np.nan))

    target_right = np.where(failed & overlaps.has_target, 0.0, overlaps.target_right)
    return Referring(
        convention=convention,
        giou=mean(overlaps.iou),
        ciou=_ratio(overlaps, counted, bootstrap),
        n_acc=mean(overlaps.none_right),
        t_acc=mean(target_right),
        precision={threshold: mean(overlaps.precision(threshold)) for threshold in THRESHOLDS},
        n_without_target=int((~overlaps.has_target & counted).sum()),
        boundary=mean(_boundaries(samples, predicted, counted)) if boundary else None,
        overlaps=overlaps,
        counted=counted,
    )


def _ratio(
    overlaps: ReferringOverlaps, chosen: NDArray[np.bool_], bootstrap: Bootstrap
) -> Estimate:
    return bootstrap.ratio(
        np.where(chosen, overlaps.intersection, np.nan), np.where(chosen, overlaps.union, np.nan)
    )


def _boundaries(
    samples: Sequence[Sample], predicted: Sequence[Mask | None], counted: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return the boundary IoU of each sample with a target, NaN elsewhere, float64 [samples]."""
    values = np.full(len(samples), np.nan)
    for place, (sample, mask) in enumerate(zip(samples, predicted, strict=True)):
        if counted[place] and not sample.mask.is_empty:
            values[place] = 0.0 if mask is None else boundary_iou(mask, sample.mask)
    return values
