"""Scores split by the size of the object and by the number of its components."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from pixfoundation.masks import Mask
from pixfoundation.scoring.breakdowns import distinct_values, values_of
from pixfoundation.types import Sample


def sample(id, array, **tags):
    mask = Mask.from_array(array)
    return Sample(id, Path("a.png"), mask.size, None, (), None, "cup", mask, tags=tags)


def squares():
    """Objects of 1, 4, 9, 16, 25 and 36 pixels, the last in two pieces, and an absent one."""
    arrays = []
    for side in range(1, 7):
        array = np.zeros((20, 20), bool)
        array[:side, :side] = True
        arrays.append(array)
    arrays[-1][0, :6] = False
    arrays[-1][10, :6] = True
    return [sample(str(n), a) for n, a in enumerate(arrays)] + [sample("none", np.zeros((20, 20)))]


def test_terciles_are_over_objects_that_are_there():
    values = values_of(squares(), "size")
    assert values == ["small"] * 2 + ["medium"] * 2 + ["large"] * 2 + [None]
    assert distinct_values(squares()[::-1], "size") == ("small", "medium", "large")


def test_a_size_is_a_share_of_the_image():
    large = sample("big image", np.pad(np.ones((4, 4)), ((0, 96), (0, 96))))
    small = sample("small image", np.pad(np.ones((3, 3)), ((0, 2), (0, 2))))
    assert values_of([large, small], "size") == ["small", "large"]


def test_components():
    assert values_of(squares(), "components") == ["1"] * 5 + ["2", None]
    dots = np.zeros((9, 9))
    dots[::2, ::2] = 1
    assert values_of([sample("dots", dots)], "components") == ["3 or more"]


def test_a_tag_of_the_data_takes_precedence():
    samples = [replace(s, tags={"size": "L"}) for s in squares()[:2]]
    assert values_of(samples, "size") == ["L", "L"]
