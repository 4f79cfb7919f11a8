"""An image as SAM 2 takes it: squeezed to a square, without padding."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


def squeezed(
    image: Image.Image,
    side: int,
    mean: Sequence[float] = MEAN,
    std: Sequence[float] = STD,
    divisor: float = 255.0,
) -> Tensor:
    """Resize with Pillow's bicubic filter, divide, normalise, as UniGR and Sa2VA do.

    Args:
        image: An RGB image.
        side: Side of the square in pixels.
        mean: Mean of each channel after the division.
        std: Standard deviation of each channel after the division.
        divisor: What pixels are divided by first; 1 where mean and deviation are those of 0..255.

    Returns:
        float32 [1, 3, side, side].
    """
    resized = image.resize((side, side), Image.Resampling.BICUBIC)
    values = torch.from_numpy(np.array(resized)).permute(2, 0, 1)[None].float() / divisor
    return (values - _channels(mean)) / _channels(std)


def smoothed(
    image: Image.Image, side: int, mean: Sequence[float] = MEAN, std: Sequence[float] = STD
) -> Tensor:
    """Scale, resize with an anti-aliased bilinear filter, normalise, as SAM 2 and UniPixel do.

    Args:
        image: An RGB image.
        side: Side of the square in pixels.
        mean: Mean of each channel.
        std: Standard deviation of each channel.

    Returns:
        float32 [1, 3, side, side].
    """
    values = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float() / 255
    resized = F.interpolate(values, (side, side), mode="bilinear", antialias=True)
    return (resized - _channels(mean)) / _channels(std)


def _channels(values: Sequence[float]) -> Tensor:
    return torch.tensor(values, dtype=torch.float32).reshape(1, 3, 1, 1)
