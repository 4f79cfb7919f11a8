"""Scores of grounded captions (GCG): AP50, mask recall, mask mIoU.

Definitions: GLaMM (Rasheed et al., CVPR 2024), `eval/gcg/evaluate.py` of mbzuai-oryx/groundingLMM.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixfoundation.errors import DataError
from pixfoundation.masks import Mask

Similarity = Callable[[str, str], float]
"""How alike two phrases are, at most 1."""


@dataclass(frozen=True, slots=True)
class GroundedCaption:
    """A caption whose phrases have masks.

    Attributes:
        caption: The text.
        phrases: The phrases that have a mask.
        masks: One mask per phrase, in pixels of the image.
    """

    caption: str
    phrases: tuple[str, ...]
    masks: tuple[Mask, ...]

    def __post_init__(self) -> None:
        if len(self.phrases) != len(self.masks):
            raise DataError(
                f"A grounded caption has one mask per phrase, but got {len(self.phrases)} phrases "
                f"and {len(self.masks)} masks."
            )


def _ious(truth: Sequence[Mask], predicted: Sequence[Mask]) -> NDArray[np.float64]:
    """Return IoUs [truth, predicted]; 0 where both are empty."""
    return np.array(
        [[one.iou(two) if one.area or two.area else 0.0 for two in predicted] for one in truth]
    ).reshape(len(truth), len(predicted))


def mask_miou(truth: Sequence[Mask], predicted: Sequence[Mask]) -> float:
    """Return the mean IoU of an image's masks, paired one to one from the greatest IoU on.

    Masks without a partner do not count; without any pair the mean is 0.

    Example:
        >>> left, right = Mask.from_array([[1, 0, 0]]), Mask.from_array([[0, 1, 1]])
        >>> mask_miou([left, right], [Mask.from_array([[0, 0, 1]])])
        0.5
    """
    ious = _ious(truth, predicted)
    paired: list[float] = []
    while ious.size and ious.max() > 0:
        row, column = np.unravel_index(ious.argmax(), ious.shape)
        paired.append(float(ious[row, column]))
        ious[row, :], ious[:, column] = 0, 0
    return float(np.mean(paired)) if paired else 0.0


def mask_recall(
    truth: Sequence[GroundedCaption],
    predicted: Sequence[GroundedCaption],
    similarity: Similarity,
    *,
    least_iou: float = 0.5,
    least_similarity: float = 0.5,
    goes_on: bool = False,
) -> float:
    """Return the share of phrases of the truth whose mask is found under a phrase that is alike.

    Phrases are paired one to one from the greatest IoU on. As published, the first pair whose IoU
    or phrases do not suffice ends the image; `goes_on` tries the other pairs.

    Args:
        truth: One caption per image.
        predicted: One caption per image, in the same order.
        similarity: How alike two phrases are. Published: the cosine of the mean states of
            `bert-base-uncased`.
        least_iou: Least IoU of a pair.
        least_similarity: Least similarity of a pair.
        goes_on: Whether a pair whose phrases differ only rules out itself.

    Returns:
        The recall, 0..1; 0 if the truth has no phrases.

    Example:
        >>> mask = Mask.from_array([[1, 0]])
        >>> one = GroundedCaption("A dog.", ("A dog",), (mask,))
        >>> mask_recall([one], [one], lambda a, b: float(a == b))
        1.0
    """
    matched = phrases = 0
    for own, guess in zip(truth, predicted, strict=True):
        phrases += len(own.phrases)
        matched += count_matched(
            own,
            guess,
            similarity,
            least_iou=least_iou,
            least_similarity=least_similarity,
            goes_on=goes_on,
        )
    return matched / phrases if phrases else 0.0


def count_matched(
    truth: GroundedCaption,
    predicted: GroundedCaption,
    similarity: Similarity,
    *,
    least_iou: float = 0.5,
    least_similarity: float = 0.5,
    goes_on: bool = False,
) -> int:
    """Return how many phrases of an image are found.

    Args:
        truth: The caption of the truth.
        predicted: The predicted caption, with masks of the same size.
        similarity: As for `mask_recall`.
        least_iou: Likewise.
        least_similarity: Likewise.
        goes_on: Likewise.

    Returns:
        The number of phrases of the truth that are found, as `mask_recall` counts them.
    """
    matched = 0
    ious = _ious(truth.masks, predicted.masks)
    while ious.size:
        row, column = np.unravel_index(ious.argmax(), ious.shape)
        if ious[row, column] < least_iou:
            break
        if similarity(truth.phrases[row], predicted.phrases[column]) < least_similarity:
            if not goes_on:
                break
            ious[row, column] = -1
            continue
        matched += 1
        ious[row, :], ious[:, column] = -1, -1
    return matched


def mask_ap50(truth: Sequence[Sequence[Mask]], predicted: Sequence[Sequence[Mask]]) -> float:
    """Return the average precision of masks at an IoU of 0.5, by pycocotools, without classes.

    Every mask has the score 1, as published. So their order decides, and of an image's masks only
    the first 100 count.

    Args:
        truth: Masks by image.
        predicted: Masks by image, in the same order.

    Returns:
        AP50, 0..1; 0 if nothing is predicted.

    Raises:
        DataError: If there is no mask in the truth, or the images do not fit.

    Example:
        >>> left, right = Mask.from_array([[1, 0]]), Mask.from_array([[0, 1]])
        >>> round(mask_ap50([[left, right]], [[left]]), 2)
        0.5
    """
    return MaskPrecision(truth, predicted).ap50()


class MaskPrecision:
    """AP50 of an evaluation, over all of its images or over a draw of them."""

    def __init__(
        self, truth: Sequence[Sequence[Mask]], predicted: Sequence[Sequence[Mask]]
    ) -> None:
        """Pair the masks of each image.

        Args:
            truth: As for `mask_ap50`.
            predicted: Likewise.

        Raises:
            DataError: If the truth has no mask, or the numbers of images differ.
        """
        if len(truth) != len(predicted) or not any(truth):
            raise DataError(
                "AP50 needs masks as truth, and as many images of the truth as predicted."
            )
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval

        self._evaluation: Any = None
        guesses = [{**entry, "score": 1.0} for entry in _entries(predicted)]
        if not guesses:
            return
        with contextlib.redirect_stdout(io.StringIO()):  # pycocotools reports what it does
            known: Any = COCO()
            known.dataset = {
                "images": [
                    {"id": image, "height": size[0], "width": size[1]}
                    for image, own in enumerate(truth, start=1)
                    for size in [own[0].size if own else (1, 1)]
                ],
                "categories": [{"id": 1}],
                "annotations": [
                    {**entry, "id": number, "iscrowd": 0}
                    for number, entry in enumerate(_entries(truth), start=1)
                ],
            }
            known.createIndex()
            evaluation: Any = COCOeval(known, known.loadRes(guesses), "segm")
            settings: Any = evaluation.params
            settings.iouThrs = np.array([0.5])
            settings.maxDets = [100]
            settings.areaRng, settings.areaRngLbl = [[0, 1e10]], ["all"]
            evaluation.evaluate()
        self._evaluation, self._images = evaluation, list(evaluation.evalImgs)

    def ap50(self, images: Sequence[int] | None = None) -> float:
        """Return AP50, 0..1; NaN if the drawn images hold no mask of the truth.

        Args:
            images: Places of as many images as there are, each as often as it was drawn; None for
                every image once.
        """
        if self._evaluation is None:
            return 0.0
        order = range(len(self._images)) if images is None else images
        self._evaluation.evalImgs = [self._images[place] for place in order]
        with contextlib.redirect_stdout(io.StringIO()):
            self._evaluation.accumulate()
        precision = self._evaluation.eval["precision"]
        return float(precision.mean()) if (precision > -1).any() else float("nan")


def _entries(masks: Sequence[Sequence[Mask]]) -> list[dict[str, Any]]:
    return [
        {
            "image_id": image,
            "category_id": 1,
            "segmentation": {"size": list(mask.size), "counts": mask.counts},
            "area": mask.area,
            "bbox": [0, 0, mask.size[1], mask.size[0]],
        }
        for image, own in enumerate(masks, start=1)
        for mask in own
    ]
