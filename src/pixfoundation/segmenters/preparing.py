"""An image as a segmenter's encoder takes it: padded or stretched."""

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
    """An image as an encoder takes it.

    Attributes:
        pixels: float32 [1, 3, height, width].
        resized: (height, width) of the image in it, at its top left.
        padded: Whether the rest is padding.
    """

    pixels: Tensor
    resized: tuple[int, int]
    padded: bool


@dataclass(frozen=True, slots=True)
class Padding:
    """SAM and SAM-HQ: the longer side to a fixed length, padding on the right and below."""

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
    """SAM 2 and its kin, SAM 3, CLIPSeg: the whole image to a fixed square.

    As in SAM 2's own transforms: scaled to 0..1, resized with an anti-aliased bilinear filter,
    normalised. The processor that transformers has for it would need torchvision.
    """

    size: tuple[int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def of_checkpoint(cls, location: str, **settings: Any) -> Stretching:
        """Read the settings of a checkpoint."""
        read, _ = ImageProcessingMixin.get_image_processor_dict(location, **settings)
        size = read["size"]
        return cls(
            (size["height"], size["width"]), tuple(read["image_mean"]), tuple(read["image_std"])
        )

    def __call__(self, image: Image.Image) -> Prepared:
        """Prepare an RGB image."""
        pixels = torch.from_numpy(np.array(image, dtype=np.float32) / 255).permute(2, 0, 1)[None]
        pixels = F.interpolate(pixels, self.size, mode="bilinear", antialias=True)
        mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (self.mean, self.std))
        return Prepared((pixels - mean) / std, self.size, False)
