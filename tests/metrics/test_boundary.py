"""Boundaries and components, held against a flood fill and repeated erosion."""

import doctest

import numpy as np
import pytest

from pixfoundation.errors import DataError
from pixfoundation.masks import Mask
from pixfoundation.metrics import boundary, boundary_iou, boxes, count_components, referring


@pytest.mark.parametrize("module", [boundary, boxes, referring], ids=lambda m: m.__name__)
def test_examples(module):
    result = doctest.testmod(module)
    assert result.attempted > 0
    assert result.failed == 0


def erode(mask):
    padded = np.pad(mask, 1)
    height, width = mask.shape
    shifts = [padded[i : i + height, j : j + width] for i in range(3) for j in range(3)]
    return np.logical_and.reduce(shifts)


def plain_boundary(mask, width):
    eroded = mask
    for _ in range(width):
        eroded = erode(eroded)
    return mask & ~eroded


def flood(mask):
    left = {tuple(p) for p in np.argwhere(mask).tolist()}
    number = 0
    while left:
        number += 1
        stack = [left.pop()]
        while stack:
            y, x = stack.pop()
            near = {(y + i, x + j) for i in (-1, 0, 1) for j in (-1, 0, 1)} & left
            left -= near
            stack += near
    return number


def draw(seed, size=(40, 60)):
    generator = np.random.default_rng(seed)
    coarse = generator.random((size[0] // 5, size[1] // 5)) < generator.uniform(0.1, 0.9)
    return np.kron(coarse, np.ones((5, 5))).astype(bool) ^ (generator.random(size) < 0.01)


@pytest.mark.parametrize("seed", range(10))
def test_boundary_iou_is_that_of_repeated_erosion(seed):
    first, second = draw(seed), draw(seed + 100)
    edges = [plain_boundary(mask, 1) for mask in (first, second)]
    expected = (edges[0] & edges[1]).sum() / (edges[0] | edges[1]).sum()
    own = boundary_iou(Mask.from_array(first), Mask.from_array(second))
    assert own == pytest.approx(expected)
    wide = [plain_boundary(mask, 4) for mask in (first, second)]
    expected = (wide[0] & wide[1]).sum() / (wide[0] | wide[1]).sum()
    own = boundary_iou(Mask.from_array(first), Mask.from_array(second), 4 / np.hypot(40, 60))
    assert own == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(20))
def test_components_are_those_of_a_flood_fill(seed):
    mask = draw(seed)
    assert count_components(Mask.from_array(mask)) == flood(mask)


def test_an_empty_mask_has_no_components_and_two_have_equal_boundaries():
    assert count_components(Mask.empty((4, 4))) == 0
    assert boundary_iou(Mask.empty((4, 4)), Mask.empty((4, 4))) == 1.0
    with pytest.raises(DataError, match="different sizes"):
        boundary_iou(Mask.empty((4, 4)), Mask.empty((4, 5)))
