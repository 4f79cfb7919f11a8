"""IoU of one mask per sample, and what counts where there is nothing to find.

Published rule (`eval_iou.py` of MSiam/PixFoundation): the mean over images of each image's IoU;
both masks empty is 1, one empty is 0; no mask at all is 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pixfoundation.conventions import EmptyTruth
from pixfoundation.masks import Mask, difference
from pixfoundation.types import Sample


@dataclass(frozen=True, slots=True, eq=False)
class Overlaps:
    """The overlap of one mask per sample with the ground truth; NaN where nothing was asked.

    Attributes:
        iou: Intersection over union, float64 [samples].
        intersection: Number of pixels in both masks, float64 [samples].
        union: Number of pixels in either mask, float64 [samples].
        share: Share of the image that the predicted mask covers, float64 [samples].
        has_target: Whether there is ground truth, bool [samples].
    """

    iou: NDArray[np.float64]
    intersection: NDArray[np.float64]
    union: NDArray[np.float64]
    share: NDArray[np.float64]
    has_target: NDArray[np.bool_]

    def counted(self, empty: EmptyTruth) -> NDArray[np.bool_]:
        """Return which samples enter a mean, bool [samples].

        Args:
            empty: How images without ground truth are scored.
        """
        asked = ~np.isnan(self.iou)
        return asked & self.has_target if empty is EmptyTruth.SKIP else asked


def overlaps(
    samples: Sequence[Sample], masks: Sequence[Mask | None], asked: Sequence[bool]
) -> Overlaps:
    """Measure one mask per sample.

    Args:
        samples: The samples with their ground truth.
        masks: The predicted masks in the samples' order; None for no mask at all, which has IoU 0
            whatever the ground truth. Pixels that a sample ignores are left out.
        asked: Which samples the model was asked about.

    Raises:
        DataError: If a mask is not of its image's size.
    """
    result = np.full((4, len(samples)), np.nan)
    targets = np.array([sample.mask.area for sample in samples], dtype=np.int64)
    for i, (sample, mask) in enumerate(zip(samples, masks, strict=True)):
        if not asked[i]:
            continue
        if mask is not None and sample.ignored is not None:
            mask = difference(mask, sample.ignored, keep=sample.mask)
        predicted = mask.area if mask is not None else 0
        common = mask.intersection(sample.mask) if mask is not None and predicted else 0
        union = int(targets[i]) + predicted - common
        both_empty = 0.0 if mask is None else 1.0
        share = predicted / (sample.size[0] * sample.size[1])
        result[:, i] = (common / union if union else both_empty, common, union, share)
    return Overlaps(*result, has_target=targets > 0)
