"""Makes the network's input from an image: a centred square, resized and normalised."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from pixfoundation.models.transformers.prompting import pad_to_square

SIDE = 1024
MEAN = (0.4814, 0.4578, 0.4082)  # CLIP's, cut to four digits as in training
STD = (0.2686, 0.2613, 0.2757)


def to_pixels(image: Image.Image, side: int = SIDE) -> Tensor:
    """Pad an image to a square of the mean colour, resize it bicubically and normalise it.

    Args:
        image: An RGB image.
        side: Side of the network's input in pixels.

    Returns:
        float32 [1, 3, side, side].
    """
    square = pad_to_square(image, tuple(int(value * 255) for value in MEAN))
    resized = square.resize((side, side), Image.Resampling.BICUBIC)
    values = torch.from_numpy(np.array(resized, dtype=np.float32) / 255)  # [side, side, 3]
    normal = (values - torch.tensor(MEAN)) / torch.tensor(STD)
    return normal.permute(2, 0, 1)[None].contiguous()
