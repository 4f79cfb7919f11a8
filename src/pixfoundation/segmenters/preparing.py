"""Prepare an image for the encoder of a segmenter: padded or stretched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
import transformers
from PIL import Image
from torch import Tensor
from transformers.image_processing_base import ImageProcessingMixin


@dataclass(frozen=True, slots=True)
class Prepared:
    """An image that is ready for an encoder.

    Attributes:
        pixels: float32 [1, 3, height, width].
        resized: (height, width) of the image within `pixels`, at the top left.
        padded: Whether the rest of `pixels` is padding.
    """

    pixels: Tensor
    resized: tuple[int, int]
    padded: bool


@dataclass(frozen=True, slots=True)
class Padding:
    """SAM and SAM-HQ: resize the longer side to a fixed length, pad on the right and below."""

    processor: Any

    @classmethod
    def of_checkpoint(cls, location: str, **settings: Any) -> Padding:
        """Read the settings of a checkpoint."""
        return cls(transformers.SamProcessor.from_pretrained(location, **settings))

    def __call__(self, image: Image.Image) -> Prepared:
        """Prepare an RGB image."""
        inputs = self.processor(images=image, return_tensors="pt")
        height, width = inputs["reshaped_input_sizes"][0].tolist()
        return Prepared(inputs["pixel_values"], (height, width), True)


@dataclass(frozen=True, slots=True)
class Stretching:
    """SAM 2, EdgeTAM, SAM 3 and CLIPSeg: stretch the image to a fixed square.

    The steps are those of SAM 2's own transforms: scale to 0..1, resize with an anti-aliased
    bilinear filter, normalise. The processor in transformers would need torchvision.

    Attributes:
        size: (height, width) of the square.
        mean: Mean of each channel, subtracted from the scaled pixels.
        std: Standard deviation of each channel, by which the result is divided.
    """

    size: tuple[int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def of_checkpoint(cls, location: str, **settings: Any) -> Stretching:
        """Read the settings of a checkpoint."""
        config, _ = ImageProcessingMixin.get_image_processor_dict(location, **settings)
        size = config["size"]
        return cls(
            (size["height"], size["width"]), tuple(config["image_mean"]), tuple(config["image_std"])
        )

    def __call__(self, image: Image.Image) -> Prepared:
        """Prepare an RGB image."""
        pixels = torch.from_numpy(np.array(image, dtype=np.float32) / 255).permute(2, 0, 1)[None]
        pixels = F.interpolate(pixels, self.size, mode="bilinear", antialias=True)
        mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (self.mean, self.std))
        return Prepared((pixels - mean) / std, self.size, False)
