"""Where a map points to, and what box lies around it."""

import numpy as np
import pytest

from pixfoundation.geometry import GridFrame
from pixfoundation.grounding.points import Peak, box_around, high_cells, mask_of, peaks


def bumps(*places: tuple[int, int, float]) -> np.ndarray:
    """A map of 30 x 40 pixels with round bumps (x, y, height)."""
    ys, xs = np.mgrid[:30, :40]
    total = np.zeros((30, 40), np.float32)
    for x, y, height in places:
        total += height * np.exp(-((xs - x) ** 2 + (ys - y) ** 2) / 8).astype(np.float32)
    return total


def test_the_highest_pixel_is_the_point():
    assert peaks(bumps((7, 20, 1.0), (30, 5, 0.5)), (5, 5)) == [Peak((7.0, 20.0))]


def test_the_first_of_equal_pixels_wins():
    pixels = np.zeros((4, 5), np.float32)
    pixels[1, 3] = pixels[2, 0] = 1
    assert peaks(pixels, (1, 1))[0].point == (3.0, 1.0)


def test_further_points_are_the_next_bumps_not_the_neighbouring_pixels():
    found = peaks(bumps((7, 20, 1.0), (30, 5, 0.5), (20, 20, 0.25)), (6, 6), count=3)
    assert [peak.point for peak in found] == [(7, 20), (30, 5), (20, 20)]


def test_the_rank_counts_pixels():
    pixels = np.arange(12, dtype=np.float32).reshape(3, 4)
    assert peaks(pixels, (1, 1), rank=1)[0].point == (3.0, 2.0)
    assert peaks(pixels, (1, 1), rank=5)[0].point == (3.0, 1.0)
    assert peaks(pixels, (1, 1), rank=99)[0].point == (0.0, 0.0)


@pytest.mark.parametrize("value", [0.0, -3.0, np.nan])
def test_a_map_that_says_nothing_gives_a_flagged_centre(value):
    assert peaks(np.full((30, 40), value, np.float32), (5, 5)) == [Peak((20.0, 15.0), True)]


def test_pixels_that_the_grid_does_not_reach_are_never_chosen():
    pixels = bumps((7, 20, -1.0))
    pixels[:, 20:] = np.nan
    (peak,) = peaks(pixels, (5, 5))
    assert peak.point[0] < 20
    assert not peak.degenerate


def test_the_box_holds_the_connected_high_cells():
    frame = GridFrame.stretched(4, 5, (40, 50))
    grid = np.zeros((4, 5), np.float32)
    grid[1, 1] = 1.0
    grid[1, 2] = 0.8
    grid[3, 4] = 0.9  # high, but apart
    assert box_around(high_cells(grid, frame, (14, 16), 0.5), frame) == (10, 10, 30, 20)
    assert box_around(high_cells(grid, frame, (14, 16), 0.85), frame) == (10, 10, 20, 20)


def test_the_box_is_cut_at_the_border_of_a_padded_image():
    frame = GridFrame.padded_square(4, 4, (20, 40))  # 10 rows of padding above and below
    grid = np.ones((4, 4), np.float32)
    grid[:, 3] = 0
    assert box_around(high_cells(grid, frame, (5, 5), 0.5), frame) == (0, 0, 30, 20)


def test_the_mask_of_cells_is_their_pixels_inside_the_image():
    frame = GridFrame.padded_square(4, 4, (20, 40))  # 10 rows of padding above and below
    cells = np.zeros((4, 4), bool)
    cells[0, 0] = cells[1, 1] = cells[1, 2] = True  # the first lies in the padding
    mask = mask_of(cells, frame)
    expected = np.zeros((20, 40), bool)
    expected[0:10, 10:30] = True
    np.testing.assert_array_equal(mask, expected)
