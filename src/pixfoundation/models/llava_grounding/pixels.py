"""From an image to the pixels of the segmenter, which sees the whole image."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch import Tensor

PADDING = 128  # grey value of the padding, which is not masked


def segmenter_pixels(image: Image.Image, side: int) -> Tensor:
    """Fit the image in a square (bilinear, small images grow) and pad it right and below.

    Args:
        image: An RGB image.
        side: Side of the square in pixels (published: 1024).

    Returns:
        uint8 [3, side, side], raw values.
    """
    scale = min(side / image.height, side / image.width)
    size = (max(round(image.width * scale), 1), max(round(image.height * scale), 1))
    resized = np.asarray(image.resize(size, Image.Resampling.BILINEAR))  # [h, w, 3]
    square = np.full((side, side, 3), PADDING, dtype=np.uint8)
    square[: resized.shape[0], : resized.shape[1]] = resized
    return torch.from_numpy(square).permute(2, 0, 1).contiguous()
