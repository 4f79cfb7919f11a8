"""Scores of referring segmentation: gIoU, cIoU, N-acc, T-acc and Pr@X under a published convention.

Pixels are counted as integers and added up in 64 bits, without the small constants that published
code adds to denominators.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pixfoundation.conventions.referring import (
    IgnoredPixels,
    NothingFound,
    ReferringRules,
    Rejected,
    SaysNone,
)
from pixfoundation.errors import DataError
from pixfoundation.masks import Mask, difference, union

THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.9)
"""The IoUs of Pr@0.5 to Pr@0.9."""


@dataclass(frozen=True, slots=True, eq=False)
class RegionCounts:
    """Pixels of predicted masks and targets, one entry per expression.

    Attributes:
        intersection: Pixels in both, int64 [expressions].
        union: Pixels in either, int64 [expressions].
        predicted: Pixels of the prediction, int64 [expressions].
        target: Pixels of the target, int64 [expressions].
    """

    intersection: NDArray[np.int64]
    union: NDArray[np.int64]
    predicted: NDArray[np.int64]
    target: NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class ReferringOverlaps:
    """What each expression adds to the scores, in the order of the expressions.

    Attributes:
        iou: IoU under the rules, float64 [expressions]; NaN where the expression is left out.
        intersection: What it adds to the intersections of cIoU, float64 [expressions].
        union: What it adds to the unions of cIoU, float64 [expressions].
        has_target: Whether the expression names something, bool [expressions].
        said_none: Whether the model says that it names nothing, bool [expressions].
    """

    iou: NDArray[np.float64]
    intersection: NDArray[np.float64]
    union: NDArray[np.float64]
    has_target: NDArray[np.bool_]
    said_none: NDArray[np.bool_]

    def precision(self, threshold: float) -> NDArray[np.float64]:
        """Return which IoUs reach a threshold, 0 or 1, float64 [expressions].

        NaN where the expression names nothing: Pr@X is over the expressions with a target.

        Args:
            threshold: The least IoU, 0..1.
        """
        reached = (self.iou >= threshold).astype(np.float64)
        return np.where(self.has_target & ~np.isnan(self.iou), reached, np.nan)

    @property
    def none_right(self) -> NDArray[np.float64]:
        """Whether 'nothing' was said, where that is right: N-acc is its mean; NaN elsewhere."""
        return np.where(self.has_target, np.nan, self.said_none.astype(np.float64))

    @property
    def target_right(self) -> NDArray[np.float64]:
        """Whether 'nothing' was not said, where there is a target: T-acc is its mean; else NaN."""
        return np.where(self.has_target, (~self.said_none).astype(np.float64), np.nan)


@dataclass(frozen=True, slots=True)
class ReferringScores:
    """The scores of a table of referring segmentation; fractions, None where not defined.

    Attributes:
        giou: Mean of the IoUs.
        ciou: Sum of intersections over sum of unions.
        n_acc: Share of the expressions without a target for which the model says so.
        t_acc: Share of the expressions with a target for which it does not say that.
        precision: Share of the expressions with a target whose IoU reaches each of `THRESHOLDS`.
        n: Number of expressions that the mean is over.
        n_without_target: Number of expressions that name nothing.
    """

    giou: float | None
    ciou: float | None
    n_acc: float | None
    t_acc: float | None
    precision: dict[float, float | None]
    n: int
    n_without_target: int


def count_regions(
    predicted: Sequence[Mask | None],
    targets: Sequence[Mask],
    ignored: Sequence[Mask | None] | None = None,
    rule: IgnoredPixels = IgnoredPixels.LEAVE_OUT,
) -> RegionCounts:
    """Count the pixels of masks and targets.

    Args:
        predicted: One mask per expression; None for no mask, which counts as an empty one.
        targets: The target of each expression; empty if it names nothing.
        ignored: Pixels to be ignored, by expression; None without any. A pixel of the target is
            never ignored.
        rule: What ignored pixels are.

    Raises:
        DataError: If the numbers of masks, or the sizes of two masks of an image, differ.

    Example:
        >>> target = Mask.from_array([[1, 1, 0, 0]])
        >>> guess = Mask.from_array([[1, 1, 1, 1]])
        >>> unclear = Mask.from_array([[0, 0, 1, 0]])
        >>> for rule in IgnoredPixels:
        ...     counts = count_regions([guess], [target], [unclear], rule)
        ...     print(rule, counts.intersection[0], "/", counts.union[0])
        leave-out 2 / 3
        target 3 / 4
        background 2 / 4
    """
    ignored = [None] * len(targets) if ignored is None else ignored
    if not len(predicted) == len(targets) == len(ignored):
        raise DataError(
            f"Each expression needs a prediction, a target and what is ignored, but got "
            f"{len(predicted)}, {len(targets)} and {len(ignored)}."
        )
    rows = [
        _count(mask, target, unclear, rule)
        for mask, target, unclear in zip(predicted, targets, ignored, strict=True)
    ]
    columns = np.array(rows, dtype=np.int64).reshape(-1, 4).T
    return RegionCounts(*columns)


def _count(
    mask: Mask | None, target: Mask, ignored: Mask | None, rule: IgnoredPixels
) -> tuple[int, int, int, int]:
    """Return intersection, union, predicted area and area of the target."""
    if ignored is not None and rule is IgnoredPixels.TARGET:
        target = union([target, ignored])
    elif ignored is not None and mask is not None and rule is IgnoredPixels.LEAVE_OUT:
        mask = difference(mask, ignored, keep=target)
    area, predicted = target.area, mask.area if mask is not None else 0
    common = mask.intersection(target) if mask is not None else 0
    return common, area + predicted - common, predicted, area


def measure_referring(
    counts: RegionCounts,
    rules: ReferringRules | None = None,
    said_none: Sequence[bool | None] | None = None,
) -> ReferringOverlaps:
    """Return what each expression adds to the scores.

    Args:
        counts: The pixels, counted with `rules.ignored`.
        rules: The rules; None for LISA's.
        said_none: By expression, whether the model itself says that it names nothing; None for an
            expression, or altogether, if the model does not say. Used under `SaysNone.FLAG`.

    Raises:
        DataError: If there is not one statement per expression.

    Example:
        >>> nothing = Mask.empty((1, 4))
        >>> counts = count_regions([nothing, Mask.full((1, 4))], [nothing, nothing])
        >>> measure_referring(counts).iou
        array([1., 0.])
    """
    rules = rules or ReferringRules()
    number = len(counts.target)
    has_target, empty = counts.target > 0, counts.predicted == 0
    rejected = empty.copy()
    if said_none is not None and rules.says_none is SaysNone.FLAG:
        if len(said_none) != number:
            raise DataError(f"Got {len(said_none)} statements for {number} expressions.")
        rejected = np.array(
            [bool(e) if s is None else s for s, e in zip(said_none, empty, strict=True)], dtype=bool
        )
    with np.errstate(invalid="ignore", divide="ignore"):
        iou = np.where(counts.union > 0, counts.intersection / np.maximum(counts.union, 1), 0.0)
    intersection, union_ = counts.intersection.astype(float), counts.union.astype(float)
    if rules.rejected is Rejected.ZERO:
        iou = np.where(has_target & rejected, 0.0, iou)
        intersection = np.where(has_target & rejected, 0.0, intersection)
    value = {NothingFound.ONE: 1.0, NothingFound.ZERO: 0.0, NothingFound.DROP: np.nan}
    iou = np.where(~has_target, np.where(rejected, value[rules.nothing_found], 0.0), iou)
    joins = has_target | (~rejected & rules.false_positives)
    return ReferringOverlaps(
        iou=iou,
        intersection=np.where(joins, intersection, 0.0),
        union=np.where(joins, union_, 0.0),
        has_target=has_target,
        said_none=rejected,
    )


def score_referring(overlaps: ReferringOverlaps) -> ReferringScores:
    """Return the scores of all expressions.

    Args:
        overlaps: What each expression adds, from `measure_referring`.

    Example:
        >>> target, half = Mask.full((1, 4)), Mask.from_array([[1, 1, 0, 0]])
        >>> scores = score_referring(measure_referring(count_regions([half], [target])))
        >>> scores.giou, scores.ciou, scores.n_acc, scores.precision[0.5]
        (0.5, 0.5, None, 1.0)
    """
    total = float(overlaps.union.sum())
    return ReferringScores(
        giou=_mean(overlaps.iou),
        ciou=float(overlaps.intersection.sum()) / total if total else None,
        n_acc=_mean(overlaps.none_right),
        t_acc=_mean(overlaps.target_right),
        precision={t: _mean(overlaps.precision(t)) for t in THRESHOLDS},
        n=int((~np.isnan(overlaps.iou)).sum()),
        n_without_target=int((~overlaps.has_target).sum()),
    )


def _mean(values: NDArray[np.float64]) -> float | None:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else None
