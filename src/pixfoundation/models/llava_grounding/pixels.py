"""From an image to the pixels of CLIP and of the segmenter.

The two see different parts: CLIP the middle square, the segmenter all of the image.
"""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from transformers import CLIPImageProcessorPil

PADDING = 128  # of the square's empty part; it is seen, not masked


def clip_pixels(image: Image.Image, side: int) -> Tensor:
    """Resizes the shorter edge (bicubic), cuts the middle square and normalises for CLIP.

    Args:
        image: In mode RGB.
        side: Of CLIP's images in pixels (224).

    Returns:
        float32 [1, 3, side, side].
    """
    processor = CLIPImageProcessorPil(
        size={"shortest_edge": side}, crop_size={"height": side, "width": side}
    )
    return processor(image, return_tensors="pt")["pixel_values"]


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
