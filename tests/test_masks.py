"""Masks hold what they were given, in every form that COCO knows, and measure it exactly."""

import base64
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image
from pycocotools import mask as coco

from pixfoundation.errors import DataError
from pixfoundation.masks import Mask, intersections, ious, union

bitmaps = arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=24))


@given(bitmaps)
def test_every_form_of_run_lengths_reads_back(bitmap):
    mask = Mask.from_array(bitmap)
    flat = bitmap.ravel(order="F").astype(int)
    changes = np.flatnonzero(np.diff(flat)) + 1
    runs = np.diff([0, *changes, flat.size]).tolist()
    if flat[0]:
        runs = [0, *runs]
    size = list(bitmap.shape)
    text = mask.counts.decode()
    assert np.array_equal(mask.decode(), bitmap)
    assert Mask.from_rle({"size": size, "counts": runs}) == mask
    assert Mask.from_rle({"size": size, "counts": text}) == mask
    assert Mask.from_rle({"size": size, "counts": mask.counts}) == mask
    assert Mask.from_rle({"size": size, "counts": base64.b64encode(mask.counts).decode()}) == mask


@given(st.data())
def test_measures_agree_with_plain_numpy(data):
    shape = data.draw(array_shapes(min_dims=2, max_dims=2, max_side=16))
    first, second = (data.draw(arrays(bool, shape)) for _ in range(2))
    a, b = Mask.from_array(first), Mask.from_array(second)
    common, joined = (first & second).sum(), (first | second).sum()
    assert a.area == first.sum()
    assert a.is_empty == (not first.any())
    assert a.intersection(b) == common
    assert a.iou(b) == (common / joined if joined else 1.0)
    assert np.array_equal(union([a, b]).decode(), first | second)
    assert ious([a, b], b).tolist() == [a.iou(b), 1.0]
    assert intersections([a, b], a).tolist() == [first.sum(), common]


def test_iou_of_empty_masks_is_one_and_of_one_empty_mask_zero():
    empty, full = Mask.empty((4, 5)), Mask.full((4, 5))
    assert empty.iou(Mask.empty((4, 5))) == 1.0
    assert empty.iou(full) == full.iou(empty) == 0.0


def test_polygons_are_filled_the_coco_way_and_united():
    square = [2, 2, 8, 2, 8, 8, 2, 8]
    other = [5, 5, 12, 5, 12, 12, 5, 12]
    mask = Mask.from_polygons([square, other], (16, 16))
    expected = coco.decode(coco.merge(coco.frPyObjects([square, other], 16, 16))).astype(bool)
    assert np.array_equal(mask.decode(), expected)
    assert Mask.from_polygons([], (3, 4)) == Mask.empty((3, 4))


@pytest.mark.parametrize(
    "polygon", [[1, 1, 2, 2], [1, 1, 2, 2, 3], [1, 1, 2, 2, 3, float("nan")], [1, 1, 2, 2, 3, "x"]]
)
def test_a_polygon_that_is_none_is_refused(polygon):
    with pytest.raises(DataError, match="polygon"):
        Mask.from_polygons([polygon], (8, 8))


def test_polygons_that_claim_a_billion_pixels_are_refused():
    zigzag = [v for i in range(50_000) for v in (0, i % 100, 100_000, i % 100)]
    with pytest.raises(DataError, match="pixels long"):
        Mask.from_polygons([zigzag], (16, 16))
    with pytest.raises(DataError, match="larger than any image"):
        Mask.from_rle({"size": [10**9, 10**9], "counts": [10**18]})


@given(st.lists(st.integers(0, 3), min_size=1, max_size=30))
def test_empty_runs_are_joined(runs):
    size = (1, max(sum(runs), 1))
    runs = [*runs, size[1] - sum(runs)]
    expected = np.repeat(np.arange(len(runs)) % 2 == 1, runs)[None]
    assert Mask.from_rle({"size": size, "counts": runs}) == Mask.from_array(expected)


def test_a_large_mask_takes_no_array():
    side = 15_000
    empty, full = Mask.empty((side, side)), Mask.full((side, side))
    assert (empty.area, full.area) == (0, side * side)
    runs = [0, side, 0, side * side - side, 0]
    assert Mask.from_rle({"size": [side, side], "counts": runs}) == full


@pytest.mark.parametrize(
    "segmentation",
    [
        {"counts": [4]},
        {"size": [2, 2]},
        {"size": [2, 2], "counts": [5]},
        {"size": [2, 2], "counts": [-1, 5]},
        {"size": [2, 2], "counts": ["4"]},
        {"size": [2, 2], "counts": "zzzz"},
        {"size": [2, 2], "counts": "é"},
        {"size": [3, 2], "counts": Mask.full((2, 2)).counts.decode()},
        {"size": [0, 2], "counts": [0]},
        {"size": "ab", "counts": [4]},
    ],
)
def test_damaged_run_lengths_are_refused(segmentation):
    with pytest.raises(DataError):
        Mask.from_rle(segmentation)


@given(st.binary(max_size=40))
def test_any_bytes_give_a_mask_of_the_size_or_a_clean_error(counts):
    try:
        mask = Mask.from_rle({"size": [4, 6], "counts": counts})
    except DataError:
        return
    assert mask.decode().shape == (4, 6)


def test_masks_of_different_sizes_do_not_mix():
    with pytest.raises(DataError, match="same size"):
        Mask.empty((2, 3)).iou(Mask.empty((3, 2)))
    with pytest.raises(DataError, match="at least one mask"):
        union([])


def test_a_point_is_inside_where_its_pixel_is():
    mask = Mask.from_array([[0, 1], [0, 0]])
    assert mask.contains(1.9, 0.2)
    assert not mask.contains(0.9, 0.2)
    assert not mask.contains(2.0, 0.0)
    assert not mask.contains(-0.1, 0.0)


def test_the_box_is_tight_and_nearest_resizing_keeps_whole_pixels():
    mask = Mask.from_array(np.pad(np.ones((2, 3), bool), ((1, 3), (2, 1))))
    assert mask.box == (2, 1, 5, 3)
    doubled = mask.resize_nearest((12, 12))
    assert np.array_equal(doubled.decode(), np.kron(mask.decode(), np.ones((2, 2))).astype(bool))
    assert doubled.resize_nearest((6, 6)) == mask


def test_a_notebook_shows_a_mask_as_a_small_picture():
    mask = Mask.from_array(np.arange(700 * 20).reshape(700, 20) % 20 < 10)
    with Image.open(io.BytesIO(mask._repr_png_())) as picture:
        assert picture.size == (14, 480)
        shown = np.asarray(picture)
    assert shown[:, :7].min() == 255
    assert shown[:, 7:].max() == 0
