"""Masks are resized to the bit as OpenCV does on 0 and 1, or by nearest neighbour."""

import numpy as np
import pytest

from pixfoundation.datasets.resizing import resize_mask
from pixfoundation.masks import Mask
from pixfoundation.runs.importing.mask_files import shrink_to_full


def cases():
    random = np.random.default_rng(3)
    for _ in range(60):
        height, width, new_height, new_width = (int(v) for v in random.integers(2, 70, 4))
        yield random.random((height, width)) < 0.5, (new_height, new_width)


def test_bilinear_agrees_with_opencv():
    cv2 = pytest.importorskip("cv2")
    for inside, (height, width) in cases():
        expected = cv2.resize(inside.astype(np.uint8), (width, height)) > 0
        found = resize_mask(Mask.from_array(inside), (height, width)).decode()
        assert (found == expected).all()


@pytest.mark.parametrize("how", ["bilinear", "nearest"])
def test_by_hand(how):
    doubled = resize_mask(Mask.from_array([[0, 1], [0, 1]]), (4, 4), how)
    assert doubled.decode().astype(int).tolist() == [[0, 0, 1, 1]] * 4
    same = Mask.from_array([[0, 1], [1, 1]])
    assert resize_mask(same, (2, 2), how) == same


def test_predictions_keep_only_pixels_that_are_wholly_inside():
    shrunk = shrink_to_full(np.array([[0, 1, 1, 1]], bool), (1, 2))
    assert shrunk.tolist() == [[False, True]]
    grown = shrink_to_full(np.array([[0, 1]], bool), (1, 4))
    assert grown.tolist() == [[False, False, False, True]]
