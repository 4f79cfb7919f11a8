"""IoU by hand; both empty is 1, one empty 0, no mask at all 0."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pixfoundation.conventions import EmptyTruth
from pixfoundation.masks import Mask, ious
from pixfoundation.scoring.iou import overlaps

from .runs import EMPTY, columns, make_sample


@pytest.mark.parametrize(
    ("mask", "target", "iou"),
    [
        (columns(0, 4), columns(0, 4), 1.0),
        (columns(2, 6), columns(0, 4), 2 / 6),
        (columns(5, 9), columns(0, 4), 0.0),
        (EMPTY, columns(0, 4), 0.0),
        (columns(0, 4), EMPTY, 0.0),
        (EMPTY, EMPTY, 1.0),
        (None, EMPTY, 0.0),
        (None, columns(0, 4), 0.0),
        (Mask.full((10, 10)), columns(0, 4), 0.4),
    ],
)
def test_by_hand(mask, target, iou):
    found = overlaps([make_sample("1", None, mask=target)], [mask], [True])
    assert found.iou.tolist() == [pytest.approx(iou)]


def test_what_was_not_asked_does_not_count():
    samples = [make_sample("1", None), make_sample("2", None, mask=EMPTY)]
    found = overlaps(samples, [None, EMPTY], [False, True])
    assert np.isnan(found.iou[0])
    assert found.counted(EmptyTruth.ONE).tolist() == [False, True]
    assert found.counted(EmptyTruth.SKIP).tolist() == [False, False]


bits = arrays(bool, (6, 7))


@given(st.lists(bits, min_size=1, max_size=4), bits)
def test_many_at_once_agree_with_plain_numpy(predicted, target):
    expected = [
        1.0 if not (p | target).any() else (p & target).sum() / (p | target).sum()
        for p in predicted
    ]
    found = ious([Mask.from_array(p) for p in predicted], Mask.from_array(target))
    assert found.tolist() == pytest.approx(expected)
