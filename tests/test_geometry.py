"""A bright cell of the grid lands on the pixels that it covers, for every way a model sees."""

import numpy as np
import pytest

from pixfoundation import geometry
from pixfoundation.errors import DataError
from pixfoundation.geometry import GridFrame, upsample

SIZES = [(60, 60), (60, 90), (90, 60), (37, 101)]


def brightest(frame: GridFrame, row: int, column: int) -> tuple[int, int]:
    cell = np.zeros((1, frame.rows, frame.columns), np.float32)
    cell[0, row, column] = 1
    pixels = upsample(cell, frame)[0]
    y, x = np.unravel_index(np.nanargmax(pixels), pixels.shape)
    return int(x), int(y)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("make", [GridFrame.stretched, GridFrame.padded_square])
def test_the_maximum_of_a_one_hot_map_lies_in_its_cell(size, make):
    frame = make(6, 6, size)
    x0, y0, x1, y1 = frame.box
    for row in range(6):
        for column in range(6):
            x, y = frame.cell_center(row, column)
            if not (0 <= x < size[1] and 0 <= y < size[0]):
                continue
            found = brightest(frame, row, column)
            assert abs(found[0] + 0.5 - x) <= (x1 - x0) / 12 + 0.5
            assert abs(found[1] + 0.5 - y) <= (y1 - y0) / 12 + 0.5


def test_padding_is_the_published_window():
    frame = GridFrame.padded_square(3, 3, (40, 61))
    assert frame.box == (0, -10, 61, 51)  # (61 - 40) // 2 rows of padding above
    assert upsample(np.ones((2, 3, 3), np.float32), frame).shape == (2, 40, 61)


def test_a_crop_says_nothing_about_the_margins():
    frame = GridFrame(4, 4, (20, 0, 60, 40), (40, 80))
    pixels = upsample(np.ones((1, 4, 4), np.float32), frame)[0]
    assert np.isnan(pixels[:, :20]).all()
    assert np.isnan(pixels[:, 60:]).all()
    assert np.isfinite(pixels[:, 20:60]).all()


def test_maps_of_another_grid_are_refused():
    with pytest.raises(DataError, match=r"\[n, 3, 3\]"):
        upsample(np.ones((1, 3, 4), np.float32), GridFrame.stretched(3, 3, (9, 9)))
    with pytest.raises(DataError, match="positive extent"):
        GridFrame(2, 2, (5, 0, 5, 4), (9, 9))


def test_coordinates_of_every_frame_reach_the_image():
    size = (100, 200)
    assert geometry.from_unit((0.5, 0.25), size) == (100, 25)
    assert geometry.from_padded_square((0.5, 0.25, 1.0, 0.75), size) == (100, 0, 200, 100)
    assert geometry.from_thousand((500, 250, 1000, 1000), size) == (100, 25, 200, 100)
    assert geometry.from_resized((28, 14), (56, 56), size) == (100, 25)
    assert geometry.clip_box((210, 90, -5, 20), size) == (0, 20, 200, 90)


@pytest.mark.parametrize("make", [GridFrame.stretched, GridFrame.padded_square])
def test_a_shrunk_frame_is_that_of_the_smaller_image(make):
    small = make(3, 3, (500, 900)).shrunk(90)
    assert small.image_size == (50, 90)
    assert small.box == pytest.approx(make(3, 3, (50, 90)).box)
    assert make(3, 3, (50, 90)).shrunk(200) == make(3, 3, (50, 90))
    assert make(3, 3, (1, 5000)).shrunk(100).image_size == (1, 100)
