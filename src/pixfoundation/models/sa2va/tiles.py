"""An image as the InternVL variants see it: tiles of 448 pixels, and the whole image last.

The numbers are constants of Sa2VA's code; those in config.json are not read there.

Source: bytedance/Sa2VA, `dynamic_preprocess` of projects/sa2va/hf/models/modeling_sa2va_chat.py.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

SIDE = 448  # of a tile, in pixels
MOST_TILES = 12  # the whole image not counted
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


class TileGrid(NamedTuple):
    """How many tiles an image is cut into.

    Attributes:
        columns: Tiles next to each other.
        rows: Tiles below each other.
    """

    columns: int
    rows: int

    @property
    def count(self) -> int:
        """Number of views: the tiles, and the whole image if there is more than one tile."""
        tiles = self.columns * self.rows
        return tiles if tiles == 1 else tiles + 1


def tile_grid(width: int, height: int) -> TileGrid:
    """Return the grid whose shape is nearest to that of an image.

    Of several grids of one shape, a larger one is taken only if the image has more than half of its
    pixels.

    Args:
        width: Width of the image in pixels.
        height: Height of the image in pixels.
    """
    best, least = TileGrid(1, 1), float("inf")
    for grid in _grids():
        difference = abs(width / height - grid.columns / grid.rows)
        tiles = grid.columns * grid.rows
        tie = difference == least and width * height > 0.5 * SIDE * SIDE * tiles
        if difference < least or tie:
            best, least = grid, difference
    return best


@cache
def _grids() -> tuple[TileGrid, ...]:
    """Return all grids by number of tiles, in the order in which the original meets them."""
    pairs = {
        (columns, rows)
        for count in range(1, MOST_TILES + 1)
        for columns in range(1, count + 1)
        for rows in range(1, count + 1)
        if columns * rows <= MOST_TILES
    }
    return tuple(TileGrid(*pair) for pair in sorted(pairs, key=lambda pair: pair[0] * pair[1]))


def tile(image: Image.Image) -> list[Image.Image]:
    """Return the tiles of an image row by row, and the whole image behind several tiles.

    Args:
        image: An RGB image.
    """
    columns, rows = tile_grid(*image.size)
    large = image.resize((columns * SIDE, rows * SIDE))  # Pillow's default, bicubic
    views = [
        large.crop((x * SIDE, y * SIDE, (x + 1) * SIDE, (y + 1) * SIDE))
        for y in range(rows)
        for x in range(columns)
    ]
    if len(views) > 1:
        views.append(image.resize((SIDE, SIDE)))
    return views


def to_pixels(image: Image.Image) -> Tensor:
    """Return the normalised views of an image, float32 [views, 3, 448, 448].

    Args:
        image: An RGB image.
    """
    views = torch.from_numpy(np.stack([np.asarray(view) for view in tile(image)]))
    pixels = views.permute(0, 3, 1, 2).contiguous().float().div(255)
    mean, std = (torch.tensor(values)[:, None, None] for values in (MEAN, STD))
    return pixels.sub(mean).div(std)
