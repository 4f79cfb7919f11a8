"""The coordinate frames of images and models, and the conversions between them.

The frames are:
  * image: pixels of the original image, upright as a viewer shows it, (x, y), origin at the top
    left; all results use it;
  * stored: pixels as the file stores them, before its EXIF orientation is applied;
  * grid: cells of a model's image tokens, [rows, columns];
  * thousand: 0..1000 on both axes (Qwen2-VL, Qwen3-VL, InternVL);
  * unit: 0..1 on both axes (LLaVA, Cambrian).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from pixfoundation.errors import DataError

T = TypeVar("T", bound=np.generic)


@dataclass(frozen=True, slots=True)
class GridFrame:
    """The position of a grid of image tokens on the image.

    Attributes:
        rows: Number of cells from top to bottom.
        columns: Number of cells from left to right.
        box: (x0, y0, x1, y1) in image pixels that the whole grid covers: the image itself if the
            model stretches it, more than the image if it was padded, less if it was cropped.
        image_size: (height, width) of the image.
    """

    rows: int
    columns: int
    box: tuple[float, float, float, float]
    image_size: tuple[int, int]

    def __post_init__(self) -> None:
        x0, y0, x1, y1 = self.box
        if self.rows < 1 or self.columns < 1 or x1 <= x0 or y1 <= y0:
            raise DataError(
                f"A grid needs at least one row and column and a box of positive extent, but got "
                f"{self}."
            )

    @classmethod
    def stretched(cls, rows: int, columns: int, image_size: tuple[int, int]) -> GridFrame:
        """Return the frame of a model that stretches the whole image over its grid."""
        height, width = image_size
        return cls(rows, columns, (0.0, 0.0, float(width), float(height)), image_size)

    @classmethod
    def padded_square(cls, rows: int, columns: int, image_size: tuple[int, int]) -> GridFrame:
        """Return the frame of a model that pads the image to a centred square (LLaVA 1.5).

        The offset is rounded down as in LLaVA's padding: `(side - width) // 2` pixels on the left.
        """
        height, width = image_size
        side = max(height, width)
        x0, y0 = -((side - width) // 2), -((side - height) // 2)
        box = (float(x0), float(y0), float(x0 + side), float(y0 + side))
        return cls(rows, columns, box, image_size)

    def shrunk(self, side: int) -> GridFrame:
        """Return the frame on a copy of the image with at most `side` pixels per side."""
        height, width = self.image_size
        size = shrunk_size(self.image_size, side)
        x0, y0, x1, y1 = self.box
        across, down = size[1] / width, size[0] / height
        return GridFrame(
            self.rows, self.columns, (x0 * across, y0 * down, x1 * across, y1 * down), size
        )

    def cell_center(self, row: int, column: int) -> tuple[float, float]:
        """Return the centre (x, y) of a cell in image pixels; it may lie outside the image."""
        x0, y0, x1, y1 = self.box
        x = x0 + (column + 0.5) * (x1 - x0) / self.columns
        y = y0 + (row + 0.5) * (y1 - y0) / self.rows
        return (x, y)


def turn_upright(stored: NDArray[T], orientation: int) -> NDArray[T]:
    """Turn pixels from the stored frame to the image frame.

    Args:
        stored: Pixels [rows, columns, ...] as the file stores them.
        orientation: The EXIF orientation, 1 (upright) to 8; 5 to 8 exchange rows and columns.

    Returns:
        A view of the pixels as a viewer shows them.
    """
    if orientation >= 5:
        stored = stored.swapaxes(0, 1)
    down = -1 if orientation in (3, 4, 7, 8) else 1
    across = -1 if orientation in (2, 3, 6, 7) else 1
    return stored[::down, ::across]


def shrunk_size(size: tuple[int, int], side: int) -> tuple[int, int]:
    """Return (height, width) scaled down to at most `side` pixels per side, but at least 1."""
    scale = min(1.0, side / max(size))
    return max(round(size[0] * scale), 1), max(round(size[1] * scale), 1)


def upsample(maps: NDArray[np.float32], frame: GridFrame) -> NDArray[np.float32]:
    """Resize maps from the grid to the pixels of the image, bicubically.

    For a padded square this is the 'pad' mode of MSiam/PixFoundation (enlarge to the square, cut
    out the image); for a stretched grid it is its 'original' mode.

    Args:
        maps: float32 [n, grid rows, grid columns].
        frame: Position of the grid on the image.

    Returns:
        float32 [n, height, width]; NaN outside the grid (the margins of a crop).

    Raises:
        DataError: If the shape of the maps is not that of the frame's grid.
    """
    import torch
    import torch.nn.functional as F

    if maps.ndim != 3 or maps.shape[1:] != (frame.rows, frame.columns):
        raise DataError(
            f"Expected maps [n, {frame.rows}, {frame.columns}], but got shape {maps.shape}."
        )
    x0, y0, x1, y1 = (round(value) for value in frame.box)
    height, width = frame.image_size
    grid = torch.as_tensor(np.ascontiguousarray(maps, dtype=np.float32))[None]
    large = F.interpolate(grid, size=(y1 - y0, x1 - x0), mode="bicubic", align_corners=False)[0]
    pixels = np.full((maps.shape[0], height, width), np.nan, dtype=np.float32)
    top, left = max(y0, 0), max(x0, 0)
    bottom, right = min(y1, height), min(x1, width)
    pixels[:, top:bottom, left:right] = large[:, top - y0 : bottom - y0, left - x0 : right - x0]
    return pixels


def from_unit(values: tuple[float, ...], image_size: tuple[int, int]) -> tuple[float, ...]:
    """Convert alternating x, y in 0..1 to pixels of an image of size (height, width)."""
    height, width = image_size
    return tuple(v * (width if i % 2 == 0 else height) for i, v in enumerate(values))


def from_padded_square(values: tuple[float, ...], image_size: tuple[int, int]) -> tuple[float, ...]:
    """Convert alternating x, y in 0..1 of the centred padded square to pixels of the image."""
    x0, y0, x1, _ = GridFrame.padded_square(1, 1, image_size).box
    return tuple(v * (x1 - x0) + (x0 if i % 2 == 0 else y0) for i, v in enumerate(values))


def from_thousand(values: tuple[float, ...], image_size: tuple[int, int]) -> tuple[float, ...]:
    """Convert alternating x, y in 0..1000 to pixels of an image of size (height, width)."""
    return from_unit(tuple(v / 1000 for v in values), image_size)


def from_resized(
    values: tuple[float, ...], resized: tuple[int, int], image_size: tuple[int, int]
) -> tuple[float, ...]:
    """Convert alternating x, y in pixels of a resized copy to pixels of the image.

    Args:
        values: x, y or x0, y0, x1, y1.
        resized: (height, width) of the copy.
        image_size: (height, width) of the original.
    """
    return from_unit(
        tuple(v / (resized[1] if i % 2 == 0 else resized[0]) for i, v in enumerate(values)),
        image_size,
    )


def clip_box(
    box: tuple[float, float, float, float], image_size: tuple[int, int]
) -> tuple[float, float, float, float]:
    """Order the corners of a box and clip it to the image.

    Args:
        box: Two opposite corners (x0, y0, x1, y1) in pixels.
        image_size: (height, width) of the image.

    Returns:
        (x0, y0, x1, y1) with x0 <= x1 and y0 <= y1 within the image.
    """
    height, width = image_size
    x0, x1 = sorted((min(max(box[0], 0.0), width), min(max(box[2], 0.0), width)))
    y0, y1 = sorted((min(max(box[1], 0.0), height), min(max(box[3], 0.0), height)))
    return (x0, y0, x1, y1)
