"""From mask logits of the padded square to masks of the image.

Images are padded to a centred square before the model sees them, so the padding must be cut away
on both sides. The wrapper behind the published numbers cuts from the top left corner instead, which
shifts the masks of every image that is not square, and keeps the first mask only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from pixfoundation.conventions import MaskCrop
from pixfoundation.models.omg_llava.phrases import named

Mode = Literal["first", "union", "phrase"]


def finish_each(
    masks: Tensor, width: int, height: int, *, crop: MaskCrop = MaskCrop.CENTRE
) -> Tensor:
    """Enlarges mask logits to the padded square, cuts the image out, and thresholds.

    Args:
        masks: Logits, float [N, 1, h, w] or [N, h, w].
        width: Of the image in pixels.
        height: Of the image in pixels.
        crop: Where the image is cut out of the square.

    Returns:
        bool [N, height, width]: probability above one half.
    """
    side = max(width, height)
    logits = masks.reshape(-1, 1, *masks.shape[-2:]).float()
    if len(logits) == 0:
        return torch.zeros(0, height, width, dtype=torch.bool, device=masks.device)
    square = F.interpolate(logits, size=(side, side), mode="bilinear", align_corners=False)[:, 0]
    top, left = (side - height) // 2, (side - width) // 2
    if crop is MaskCrop.TOP_LEFT:
        top = left = 0
    return square[:, top : top + height, left : left + width].sigmoid() > 0.5


def finish(
    masks: Tensor,
    width: int,
    height: int,
    *,
    mode: Mode = "union",
    phrases: Sequence[str | None] = (),
    phrase: str | None = None,
    crop: MaskCrop = MaskCrop.CENTRE,
) -> Tensor:
    """Brings all masks of an answer to one.

    Args:
        masks: Logits, float [N, 1, h, w] or [N, h, w]; N may be 0.
        width: Of the image in pixels.
        height: Of the image in pixels.
        mode: The 'first' mask alone, the 'union' of all, or of those of the named 'phrase'.
        phrases: The phrase of each mask, for the mode 'phrase'.
        phrase: The one that is meant; the masks whose words are most like it are united.
        crop: Where the image is cut out of the square.

    Returns:
        bool [height, width]; empty if there are no masks.

    Raises:
        ValueError: If the mode is 'phrase' and phrases or phrase are missing, or not one a mask.
    """
    if mode == "first":
        masks = masks[:1]
    elif mode == "phrase":
        if phrase is None or len(phrases) != len(masks):
            raise ValueError(
                f"The mode 'phrase' needs the phrase that is meant and one phrase for each of the "
                f"{len(masks)} masks, but got {phrase!r} and {len(phrases)} phrases."
            )
        masks = masks[named(phrases, phrase)]
    return finish_each(masks, width, height, crop=crop).any(dim=0)
