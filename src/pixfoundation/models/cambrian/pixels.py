"""Makes the input of each vision encoder from an image.

As in `process_images` of `cambrian-mllm/cambrian`, images are padded to a centred square in the
colour of the published wrapper's mean, resized by Pillow's bicubic filter, scaled to 0..1 and
normalised.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from pixfoundation.errors import DataError

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
HALF = (0.5, 0.5, 0.5)


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """Preprocessing of one encoder.

    Attributes:
        side: Side of the square input in pixels.
        padding: Colour that fills the square, 0..1. SigLIP's images are padded with CLIP's mean,
            the default of the published wrapper, but normalised with SigLIP's own.
        mean: Mean to subtract, 0..1, by channel.
        deviation: Standard deviation to divide by, by channel.
    """

    side: int
    padding: Sequence[float]
    mean: Sequence[float]
    deviation: Sequence[float]

    def __call__(self, rgb: NDArray[np.uint8]) -> Tensor:
        """Return float32 [1, 3, side, side] for uint8 [height, width, 3]."""
        colour = tuple(int(255 * value) for value in self.padding)
        square = pad_to_square(Image.fromarray(rgb), colour)
        resized = square.resize((self.side, self.side), Image.Resampling.BICUBIC)
        scaled = torch.from_numpy(np.array(resized)).permute(2, 0, 1).float() / 255
        mean, deviation = (
            torch.tensor(values).view(3, 1, 1) for values in (self.mean, self.deviation)
        )
        return ((scaled - mean) / deviation)[None]


def pad_to_square(image: Image.Image, colour: tuple[int, ...]) -> Image.Image:
    """Return the image in the middle of a square of one colour; the offset is floored."""
    width, height = image.size
    side = max(width, height)
    if width == height:
        return image
    square = Image.new("RGB", (side, side), colour)
    square.paste(image, ((side - width) // 2, (side - height) // 2))
    return square


def check_rgb(rgb: NDArray[np.uint8]) -> None:
    """Raise `DataError` unless the array is uint8 [height, width, 3] with at least one pixel."""
    if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.size == 0:
        raise DataError(
            "Expected an RGB image as uint8 [height, width, 3], but got "
            f"{rgb.dtype} {list(rgb.shape)}."
        )
