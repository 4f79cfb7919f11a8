"""From an image to the pixels of SAM, which sees all of it where CLIP sees the middle square."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

SAM_MEAN = (123.675, 116.28, 103.53)
SAM_STD = (58.395, 57.12, 57.375)


class SamPixels(NamedTuple):
    """An image as SAM takes it.

    Attributes:
        pixels: float32 [1, 3, side, side].
        resized: (height, width) of the image inside the square, in its upper left corner.
    """

    pixels: Tensor
    resized: tuple[int, int]


def sam_pixels(image: Image.Image, side: int) -> SamPixels:
    """Fits the longer edge to the square (bilinear, small images grow), normalises, then pads.

    The padding is zero after normalisation: the mean colour.

    Args:
        image: In mode RGB.
        side: Of the square in pixels.
    """
    scale = side / max(image.size)
    width, height = (max(int(edge * scale + 0.5), 1) for edge in image.size)
    resized = image.resize((width, height), Image.Resampling.BILINEAR)
    values = torch.from_numpy(np.array(resized)).permute(2, 0, 1).float()  # (3, h, w)
    mean, std = (torch.tensor(triple)[:, None, None] for triple in (SAM_MEAN, SAM_STD))
    square = torch.zeros(1, 3, side, side)
    square[0, :, :height, :width] = (values - mean) / std
    return SamPixels(square, (height, width))
