"""From an image to the pixels of CLIP, which sees the middle square, and of SAM, which sees all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from pixfoundation.models.common.clip_square import clip_pixels

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


@dataclass(frozen=True, eq=False)
class ImagePixels:
    """An image as the two encoders take it.

    Attributes:
        clip: float [1, 3, side, side] or [3, side, side], normalised for CLIP.
        sam: The same for SAM: resized, normalised, then padded with zeros.
        resized: (height, width) of the image inside SAM's square.
        original: (height, width) of the image.
    """

    clip: Tensor
    sam: Tensor
    resized: tuple[int, int]
    original: tuple[int, int]

    @classmethod
    def of(cls, image: Image.Image, clip_side: int, sam_side: int) -> ImagePixels:
        """Prepare an image.

        Args:
            image: An RGB image.
            clip_side: Side of the square that CLIP sees, in pixels.
            sam_side: Side of the padded square that SAM sees, in pixels.
        """
        sam, resized = sam_pixels(image, sam_side)
        return cls(clip_pixels(image, clip_side), sam, resized, (image.height, image.width))


def sam_pixels(image: Image.Image, side: int) -> SamPixels:
    """Fit the longer edge to the square (bilinear, small images grow), normalise, then pad.

    The padding is zero after normalisation: the mean colour.

    Args:
        image: An RGB image.
        side: Side of the square in pixels.
    """
    scale = side / max(image.size)
    width, height = (max(int(edge * scale + 0.5), 1) for edge in image.size)
    resized = image.resize((width, height), Image.Resampling.BILINEAR)
    values = torch.from_numpy(np.array(resized)).permute(2, 0, 1).float()  # (3, h, w)
    mean, std = (torch.tensor(triple)[:, None, None] for triple in (SAM_MEAN, SAM_STD))
    square = torch.zeros(1, 3, side, side)
    square[0, :, :height, :width] = (values - mean) / std
    return SamPixels(square, (height, width))
