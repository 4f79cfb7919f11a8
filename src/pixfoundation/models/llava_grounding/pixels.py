"""From an image to the pixels of the segmenter, which sees all of it; CLIP sees the middle."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch import Tensor

PADDING = 128  # of the square's empty part; it is seen, not masked


def segmenter_pixels(image: Image.Image, side: int) -> Tensor:
    """Fits the image in a square (bilinear, small images grow) and pads it right and below.

    Args:
        image: In mode RGB.
        side: Of the square in pixels (1024).

    Returns:
        uint8 [3, side, side], raw values.
    """
    scale = min(side / image.height, side / image.width)
    size = (max(round(image.width * scale), 1), max(round(image.height * scale), 1))
    resized = np.asarray(image.resize(size, Image.Resampling.BILINEAR))  # [h, w, 3]
    square = np.full((side, side, 3), PADDING, dtype=np.uint8)
    square[: resized.shape[0], : resized.shape[1]] = resized
    return torch.from_numpy(square).permute(2, 0, 1).contiguous()
