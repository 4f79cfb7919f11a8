"""Which cells are left of the square grid, and which pixels they cover."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pixfoundation.errors import DataError
from pixfoundation.geometry import upsample
from pixfoundation.models.cambrian.unpadding import Margins

# (width, height): (rows, columns) of the 24 x 24 grid, as the published code gives them.
GRIDS = {
    (224, 224): (24, 24),
    (640, 480): (18, 24),
    (480, 640): (24, 18),
    (640, 427): (16, 24),
    (800, 450): (14, 24),
    (1920, 1080): (14, 24),
    (1280, 800): (16, 24),
    (88, 55): (14, 24),  # exact arithmetic gives 16 here and in the next two
    (176, 110): (14, 24),
    (352, 220): (14, 24),
    (55, 88): (24, 14),
    (1000, 300): (8, 24),
    (300, 1000): (24, 8),
    (150, 107): (18, 24),
    (1000, 60): (2, 24),
    (60, 1000): (24, 2),
}


@pytest.mark.parametrize(("size", "grid"), GRIDS.items())
def test_grid_of_published_sizes(size, grid):
    margins = Margins.of(size, 24)
    assert margins.grid == grid
    assert margins.crop(torch.zeros(24, 24, 3)).shape == (*grid, 3)


# Fine cells inside the kept grid that are padding: what the masks hide (multiples of 96).
@pytest.mark.parametrize(
    ("size", "hidden"),
    [((640, 480), 0), ((640, 427), 0), ((800, 450), 192), ((1280, 800), 384), ((150, 107), 384)],
)
def test_fine_cells_that_the_masks_hide(size, hidden):
    fine = Margins.of(size, 96).image_cells()
    coarse = Margins.of(size, 24)
    kept = coarse.crop(fine.view(24, 4, 24, 4).transpose(1, 2).flatten(2))
    whole = ~kept.any(-1)  # windows without anything on the image count as seen
    assert int((~kept & ~whole[..., None]).sum()) == hidden


@pytest.mark.parametrize("size", [(1000, 30), (30, 1000), (0, 5)])
def test_refuses_what_leaves_nothing(size):
    with pytest.raises(DataError):
        Margins.of(size, 24)


@pytest.mark.parametrize("size", [*GRIDS, (333, 100), (101, 100), (97, 211)])
def test_each_cell_lies_on_the_pixels_that_it_was_computed_from(size):
    """Cell (r, c) of the square grid covers a square of the padded image; shift it back."""
    width, height = size
    margins = Margins.of(size, 24)
    frame = margins.frame(size)
    cell = max(size) / 24
    left, top = (max(size) - width) // 2, (max(size) - height) // 2
    for row, column in ((0, 0), (frame.rows // 2, frame.columns - 1), (frame.rows - 1, 1)):
        x, y = frame.cell_center(row, column)
        assert x == pytest.approx((margins.left + column + 0.5) * cell - left)
        assert y == pytest.approx((margins.top + row + 0.5) * cell - top)
    assert frame.image_size == (height, width)


@pytest.mark.parametrize("size", [(640, 480), (800, 450), (450, 800), (1280, 800), (1000, 300)])
def test_a_one_hot_map_peaks_in_its_own_cell(size):
    width, height = size
    frame = Margins.of(size, 24).frame(size)
    cell = max(size) / 24
    for row, column in ((1, 2), (frame.rows - 2, frame.columns - 3)):
        grid = np.zeros((1, frame.rows, frame.columns), np.float32)
        grid[0, row, column] = 1
        y, x = divmod(int(np.nanargmax(upsample(grid, frame)[0])), width)
        cx, cy = frame.cell_center(row, column)
        assert abs(x + 0.5 - cx) <= cell / 2 + 1
        assert abs(y + 0.5 - cy) <= cell / 2 + 1
        assert 0 <= y < height


@pytest.mark.parametrize(
    ("size", "off"), [((224, 224), 0), ((640, 480), 76), ((800, 450), 155), ((480, 640), 76)]
)
def test_the_published_frame_is_far_off_on_images_that_are_not_square(size, off):
    margins = Margins.of(size, 24)
    true, published = margins.frame(size), margins.published_frame(size)
    corners = [(r, c) for r in (0, true.rows - 1) for c in (0, true.columns - 1)]
    worst = max(
        abs(a - b)
        for cell in corners
        for a, b in zip(true.cell_center(*cell), published.cell_center(*cell), strict=True)
    )
    assert worst == pytest.approx(off, abs=1)
