"""Scores of answers and masks together: S, Grove and the failure split.

S: PixFoundation (arXiv 2502.04192). Failure split: `eval_accandiou.py` of its code, whose comment
swaps two labels; here they name what is counted. Grove: VistaQA (arXiv 2605.20676), the mean over
samples of the geometric mean of answer and mask quality.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixfoundation.scoring.accuracy import both_right
from pixfoundation.scoring.intervals import Bootstrap, Estimate, least_units
from pixfoundation.scoring.iou import Overlaps
from pixfoundation.types import Protocol, Sample

SUCCESS_IOU = 0.5
"""A mask succeeds above this IoU (published)."""
SUCCESS_SHARE = 0.5
"""Without ground truth a mask succeeds below this share of the image (published)."""


COLUMNS = ("A†", "A", "M†", "M", "S")
"""The figures of a line in the published table, in the order of its columns."""


@dataclass(frozen=True, slots=True)
class Failures:
    """Numbers of pairs by what succeeds in both their images; not whole in a mean over variants.

    Attributes:
        both: Pairs whose answers and masks succeed.
        vqa_only: Pairs of which only the answers are right.
        grounding_only: Pairs of which only the masks succeed.
        neither: Pairs of which neither succeed.
    """

    both: float
    vqa_only: float
    grounding_only: float
    neither: float

    def to_json(self) -> dict[str, float]:
        """Return the counts as plain JSON data."""
        return {
            "both": self.both,
            "vqa_only": self.vqa_only,
            "grounding_only": self.grounding_only,
            "neither": self.neither,
        }


@dataclass(frozen=True, slots=True, eq=False)
class Paired:
    """A model's line in the published table.

    Attributes:
        selector: Selector of the masks; None for the accuracies of a run without masks.
        a_dagger: Accuracy of protocol 1 by pair (by question where the dataset has no pairs).
        a: The same accuracy of protocol 2.
        m_dagger: mIoU of protocol 1.
        m: mIoU of protocol 3.
        s: Harmonic mean of max(A†, A) and max(M†, M).
        grove: Mean of sqrt(answer right x IoU), with the protocols that give the maxima.
        failures: The failure split with the same protocols; None without pairs.
        accuracy_protocol: Protocol of max(A†, A); None if there is no accuracy.
        mask_protocol: Protocol of max(M†, M); None if there are no masks.
    """

    selector: str | None
    a_dagger: Estimate | None
    a: Estimate | None
    m_dagger: Estimate | None
    m: Estimate | None
    s: Estimate | None
    grove: Estimate | None
    failures: Failures | None
    accuracy_protocol: Protocol | None
    mask_protocol: Protocol | None

    @property
    def figures(self) -> dict[str, Estimate | None]:
        """The figures of the published table by column."""
        return dict(
            zip(COLUMNS, (self.a_dagger, self.a, self.m_dagger, self.m, self.s), strict=True)
        )

    def to_json(self) -> dict[str, Any]:
        """Return values and intervals as plain JSON data."""
        estimates = {
            "A_dagger": self.a_dagger,
            "A": self.a,
            "M_dagger": self.m_dagger,
            "M": self.m,
            "S": self.s,
            "grove": self.grove,
        }
        data: dict[str, Any] = {name: e.value if e else None for name, e in estimates.items()}
        data["failures"] = self.failures.to_json() if self.failures else None
        data["of"] = {
            "accuracy_protocol": self.accuracy_protocol,
            "mask_protocol": self.mask_protocol,
        }
        data["intervals"] = {
            name: e.to_json()["interval"] if e else None for name, e in estimates.items()
        }
        return data


def harmonic_mean(a: float, b: float) -> float:
    """Return 2ab / (a + b); 0 if both are 0.

    Example:
        >>> round(harmonic_mean(0.28, 0.259), 4)
        0.2691
    """
    return 2 * a * b / (a + b) if a + b else 0.0


def s_score(
    accuracies: Sequence[Estimate | None], mious: Sequence[Estimate | None]
) -> Estimate | None:
    """Return S from the estimates of the protocols; None without an accuracy or without an mIoU."""
    a = [f for f in accuracies if f is not None and f.value is not None]
    m = [f for f in mious if f is not None and f.value is not None]
    if not a or not m:
        return None
    best_a = np.max([f.draws for f in a], axis=0)
    best_m = np.max([f.draws for f in m], axis=0)
    total = best_a + best_m
    with np.errstate(invalid="ignore", divide="ignore"):
        draws = np.where(total > 0, 2 * best_a * best_m / total, 0.0)
    value = harmonic_mean(max(f.value or 0.0 for f in a), max(f.value or 0.0 for f in m))
    return Estimate(value, min(f.n for f in (*a, *m)), draws, least_units((*a, *m)))


def grove_score(right: NDArray[np.float64], iou: NDArray[np.float64], boot: Bootstrap) -> Estimate:
    """Return the mean over samples of sqrt(right x IoU); NaN on either side does not count."""
    return boot.mean(np.sqrt(right * iou))


def mask_success(measured: Overlaps) -> NDArray[np.float64]:
    """Return for each sample whether its mask succeeds: 1, 0, or NaN where that is unknown.

    Where there is nothing to find and nothing was asked, nothing was shown: a success.
    """
    covered = measured.share >= SUCCESS_SHARE
    success = np.where(measured.has_target, measured.iou > SUCCESS_IOU, ~covered)
    unknown = measured.has_target & np.isnan(measured.iou)
    return np.where(unknown, np.nan, success.astype(np.float64))


def split_failures(
    right: NDArray[np.float64], measured: Overlaps, samples: Sequence[Sample], boot: Bootstrap
) -> Failures | None:
    """Count the pairs by what succeeds; None if there are no pairs."""
    answered = both_right(right, samples, boot)
    shown = both_right(mask_success(measured), samples, boot)
    counted = ~(np.isnan(answered) | np.isnan(shown))
    if not counted.any():
        return None
    a, m = answered[counted] == 1.0, shown[counted] == 1.0
    return Failures(
        both=int((a & m).sum()),
        vqa_only=int((a & ~m).sum()),
        grounding_only=int((~a & m).sum()),
        neither=int((~a & ~m).sum()),
    )
