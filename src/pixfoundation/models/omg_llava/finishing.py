"""From mask logits of the padded square to masks of the image.

Images are padded to a centred square before the model sees them, so the padding must be cut away
on both sides. The wrapper behind the published numbers cuts from the top left corner instead, which
shifts the masks of every image that is not square, and keeps the first mask only.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

Mode = Literal["first", "union"]


def finish_each(masks: Tensor, width: int, height: int, *, published: bool = False) -> Tensor:
    """Enlarges mask logits to the padded square, cuts the image out, and thresholds.

    Args:
        masks: Logits, float [N, 1, h, w] or [N, h, w].
        width: Of the image in pixels.
        height: Of the image in pixels.
        published: Cut from the top left corner, as the published wrapper does.

    Returns:
        bool [N, height, width]: probability above one half.
    """
    side = max(width, height)
    logits = masks.reshape(-1, 1, *masks.shape[-2:]).float()
    if len(logits) == 0:
        return torch.zeros(0, height, width, dtype=torch.bool, device=masks.device)
    square = F.interpolate(logits, size=(side, side), mode="bilinear", align_corners=False)[:, 0]
    top, left = (0, 0) if published else ((side - height) // 2, (side - width) // 2)
    return square[:, top : top + height, left : left + width].sigmoid() > 0.5


def finish(
    masks: Tensor, width: int, height: int, *, mode: Mode = "union", published: bool = False
) -> Tensor:
    """Brings all masks of an answer to one.

    Args:
        masks: Logits, float [N, 1, h, w] or [N, h, w]; N may be 0.
        width: Of the image in pixels.
        height: Of the image in pixels.
        mode: The first mask alone, or all of them united.
        published: As the published wrapper: the first mask, cut from the top left corner.

    Returns:
        bool [height, width]; empty if there are no masks.
    """
    kept = masks[:1] if published or mode == "first" else masks
    return finish_each(kept, width, height, published=published).any(dim=0)
