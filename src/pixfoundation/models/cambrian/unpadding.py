"""Computes the cells of Cambrian's square grid that lie on the image, and their pixels.

Cambrian pads every image to a square, encodes it to a square grid, and then cuts the padded rows or
columns off again. The number that is cut follows from floating-point products in a certain order:
for a few sizes (88 x 55, 176 x 110) exact arithmetic gives another grid than the published code.
The order is therefore kept: the scale first, then the product, then the floor.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from pixfoundation.errors import DataError
from pixfoundation.geometry import GridFrame


@dataclass(frozen=True, slots=True)
class Margins:
    """Rows and columns of padding on one side of a square grid.

    Attributes:
        side: Cells along a side of the grid.
        top: Rows of padding above the image; the same number is cut below.
        left: Columns of padding left of the image; the same number is cut on the right.
    """

    side: int
    top: int
    left: int

    @classmethod
    def of(cls, image_size: tuple[int, int], side: int) -> Margins:
        """Return the margins for an image on a grid.

        Args:
            image_size: (width, height) in pixels.
            side: Cells along a side of the grid.

        Raises:
            DataError: If the image has no pixels, or is so elongated that no cell would be left.
        """
        width, height = image_size
        if width < 1 or height < 1:
            raise DataError(f"The image is {width} x {height} pixels; both must be at least 1.")
        wide = width / height > 1
        longer, shorter = (width, height) if wide else (height, width)
        scale = side / longer
        kept = int(shorter * scale)
        if kept == 0:
            raise DataError(
                f"The image is {width} x {height}: its shorter side is less than one cell of "
                f"Cambrian's {side} x {side} grid. Crop it to a ratio below {side} to 1."
            )
        margin = (side - kept) // 2
        return cls(side, margin, 0) if wide else cls(side, 0, margin)

    @property
    def grid(self) -> tuple[int, int]:
        """The (rows, columns) without padding."""
        return (self.side - 2 * self.top, self.side - 2 * self.left)

    def crop(self, cells: Tensor) -> Tensor:
        """Cut the margins off a tensor [side, side, ...]."""
        rows, columns = self.grid
        return cells[self.top : self.top + rows, self.left : self.left + columns]

    def image_cells(self) -> Tensor:
        """Return a boolean [side, side]: True on the image, False on padding."""
        mask = torch.zeros(self.side, self.side, dtype=torch.bool)
        self.crop(mask).fill_(True)
        return mask

    def frame(self, image_size: tuple[int, int]) -> GridFrame:
        """Return the pixels of the image that the kept cells cover.

        The cells are squares of the padded image. Because of the floor, the grid may reach slightly
        beyond the image's borders or end slightly before them.

        Args:
            image_size: (width, height) in pixels.
        """
        width, height = image_size
        longer = max(width, height)
        cell = longer / self.side
        x0 = self.left * cell - (longer - width) // 2
        y0 = self.top * cell - (longer - height) // 2
        rows, columns = self.grid
        box = (x0, y0, x0 + columns * cell, y0 + rows * cell)
        return GridFrame(rows, columns, box, (height, width))

    def published_frame(self, image_size: tuple[int, int]) -> GridFrame:
        """Return the pixels that the published script assigns to the same cells.

        `infer_pixfoundation_cambrian.py` of MSiam/PixFoundation keeps its default aspect ratio
        'pad' and stretches the cut grid over the padded square, as if nothing had been cut. On a
        square image the two are the same; at 16:9 they differ by up to 162 pixels.
        """
        width, height = image_size
        return GridFrame.padded_square(*self.grid, (height, width))
