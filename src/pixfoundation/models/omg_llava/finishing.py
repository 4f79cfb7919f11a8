"""From mask logits of the padded square to the masks of an answer.

Images are padded to a centred square before the model sees them, so the padding must be cut away
on both sides. The wrapper behind the published numbers cuts from the top left corner instead, which
shifts the masks of every image that is not square, and keeps only the first mask.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

import torch
import torch.nn.functional as F
from torch import Tensor

from pixfoundation.conventions import MaskCrop
from pixfoundation.masks import union
from pixfoundation.models.omg_llava.phrases import most_similar
from pixfoundation.types import NativeMask


class Keep(StrEnum):
    """Which masks of an answer are kept."""

    ALL = "all"
    """All of them, with their phrases."""
    FIRST = "first"
    """Only the first."""
    UNION = "union"
    """The union of all, without a phrase."""
    PHRASE = "phrase"
    """Those whose phrase is most like the expression of the question."""


def crop_masks(logits: Tensor, width: int, height: int, crop: MaskCrop = MaskCrop.CENTRE) -> Tensor:
    """Enlarge mask logits to the padded square, cut out the image, and threshold.

    Args:
        logits: float [N, 1, h, w] or [N, h, w]; N may be 0.
        width: Width of the image in pixels.
        height: Height of the image in pixels.
        crop: Where the image is cut out of the square.

    Returns:
        bool [N, height, width]: probability above one half.
    """
    side = max(width, height)
    small = logits.reshape(-1, 1, *logits.shape[-2:]).float()
    if len(small) == 0:
        return torch.zeros(0, height, width, dtype=torch.bool, device=logits.device)
    square = F.interpolate(small, size=(side, side), mode="bilinear", align_corners=False)[:, 0]
    top, left = (side - height) // 2, (side - width) // 2
    if crop is MaskCrop.TOP_LEFT:
        top = left = 0
    return square[:, top : top + height, left : left + width].sigmoid() > 0.5


def keep_masks(
    masks: Sequence[NativeMask], keep: Keep, expression: str | None = None
) -> tuple[NativeMask, ...]:
    """Return the masks that an answer keeps; an empty tuple means 'no mask'.

    Args:
        masks: All masks of the answer, in order.
        keep: Which of them are kept.
        expression: The expression of the question, for `Keep.PHRASE`; without one, all are kept.
    """
    if keep is Keep.FIRST:
        return tuple(masks[:1])
    if keep is Keep.UNION and masks:
        return (NativeMask(union(mask.mask for mask in masks)),)
    if keep is Keep.PHRASE and expression is not None:
        similar = most_similar([mask.phrase for mask in masks], expression)
        return tuple(masks[index] for index in similar)
    return tuple(masks)
