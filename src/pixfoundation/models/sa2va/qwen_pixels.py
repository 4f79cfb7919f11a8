"""An image as the Qwen-VL variants see it: resized twice, normalised, cut into patches.

The published code resizes with Pillow first (qwen_vl_utils) and then, on 8-bit pixels, with
torchvision's antialiased bicubic filter, which `torch.nn.functional.interpolate` equals bit by bit.
Both steps count; the image processors of today's transformers differ from them by grey levels.

Sources: bytedance/Sa2VA, projects/sa2va/hf/models_qwen3vl and models_qwen2_5_vl; qwen_vl_utils
`smart_resize`; transformers 4.57, `Qwen2VLImageProcessorFast`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from pixfoundation.errors import DataError

FIRST_CELL = 28  # side of a cell of the first resize, also for Qwen3-VL
FIRST_LEAST, FIRST_MOST = 4 * FIRST_CELL**2, 16384 * FIRST_CELL**2
LEAST, MOST = 512 * FIRST_CELL**2, 2048 * FIRST_CELL**2  # pixels after the second resize
MOST_ELONGATED = 200


@dataclass(frozen=True, slots=True)
class PatchSettings:
    """How an image is cut and normalised.

    Attributes:
        patch: Side of a patch in pixels.
        merge: Patches per side of an image token.
        frames: Times that a still image is repeated.
        mean: Mean of each channel, of pixels from 0 to 1.
        std: Standard deviation of each channel.
    """

    patch: int
    merge: int
    frames: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


class Patches(NamedTuple):
    """An image as the vision tower takes it.

    Attributes:
        values: float32 [patches, 3 * frames * patch * patch], by cell of merged patches.
        grid: (1, rows, columns) of patches.
    """

    values: Tensor
    grid: tuple[int, int, int]

    def tokens(self, merge: int) -> int:
        """Return the number of image tokens, `merge` x `merge` patches each."""
        return self.grid[1] * self.grid[2] // merge**2


def fitting_size(height: int, width: int, cell: int, least: int, most: int) -> tuple[int, int]:
    """Return the (height, width) that an image is resized to.

    Sides are multiples of a cell, the area is within bounds, and the shape is kept as far as
    possible.

    Args:
        height: Height of the image in pixels.
        width: Width of the image in pixels.
        cell: What the sides are multiples of, in pixels.
        least: Least area in pixels.
        most: Greatest area in pixels.

    Raises:
        DataError: If one side is more than 200 times the other.
    """
    if max(height, width) / min(height, width) > MOST_ELONGATED:
        raise DataError(
            f"The image of {width} x {height} pixels is more than {MOST_ELONGATED} times as long "
            "as wide, which Qwen-VL does not take. Crop it."
        )
    rows = max(cell, round(height / cell) * cell)
    columns = max(cell, round(width / cell) * cell)
    if rows * columns > most:
        shrink = math.sqrt(height * width / most)
        rows = max(cell, math.floor(height / shrink / cell) * cell)
        columns = max(cell, math.floor(width / shrink / cell) * cell)
    elif rows * columns < least:
        enlarge = math.sqrt(least / (height * width))
        rows = math.ceil(height * enlarge / cell) * cell
        columns = math.ceil(width * enlarge / cell) * cell
    return rows, columns


def to_patches(image: Image.Image, settings: PatchSettings) -> Patches:
    """Return the patches of an image.

    Args:
        image: An RGB image.
        settings: How it is cut and normalised.

    Raises:
        DataError: If the image is too elongated.
    """
    size = fitting_size(image.height, image.width, FIRST_CELL, FIRST_LEAST, FIRST_MOST)
    resized = np.asarray(image.resize((size[1], size[0])))  # Pillow's default, bicubic
    first = torch.from_numpy(resized.copy()).permute(2, 0, 1)
    rows, columns = fitting_size(*size, settings.patch * settings.merge, LEAST, MOST)
    second = first[None]
    if (rows, columns) != size:
        second = F.interpolate(
            second, (rows, columns), mode="bicubic", antialias=True, align_corners=False
        )
    mean, std = (torch.tensor(v)[:, None, None] * 255 for v in (settings.mean, settings.std))
    pixels = (second[0].float() - mean) / std  # (3, rows, columns)
    down, across = rows // settings.patch, columns // settings.patch
    merge, patch = settings.merge, settings.patch
    cells = pixels.reshape(3, down // merge, merge, patch, across // merge, merge, patch)
    ordered = cells.permute(1, 4, 2, 5, 0, 3, 6)  # cell row, cell column, its patches, 3, p, p
    repeated = ordered[:, :, :, :, :, None].expand(-1, -1, -1, -1, -1, settings.frames, -1, -1)
    return Patches(repeated.reshape(down * across, -1), (1, down, across))
