"""Resizing masks that are not of their image's size."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pixfoundation.masks import Mask

Resizing = Literal["bilinear", "nearest"]

_ONE = (
    2048  # the weights of 8-bit images are whole 2048ths in OpenCV, which the published code uses
)


def resize_mask(mask: Mask, size: tuple[int, int], how: Resizing = "bilinear") -> Mask:
    """Brings a mask to another size.

    Args:
        mask: The mask.
        size: The (height, width) to bring it to.
        how: `bilinear`, halved up, in OpenCV's arithmetic for 8-bit images to the bit, as the
            published loader of PixCV-Bench uses it on 0 and 1; or `nearest`.
    """
    if mask.size == size:
        return mask
    if how == "nearest":
        return mask.resize_nearest(size)
    along_x = _mixed(mask.decode().astype(np.int64), size[1], axis=1, shift=(0, 0))
    along_y = _mixed(along_x, size[0], axis=0, shift=(4, 16))  # in quarters
    return Mask.from_array((along_y + 2) >> 2 > 0)


def _mixed(
    values: NDArray[np.int64], new: int, axis: int, shift: tuple[int, int]
) -> NDArray[np.int64]:
    """Mixes neighbours along one axis; pixel centres lie at half numbers, borders repeat.

    Args:
        values: Whole numbers [rows, columns].
        new: How many there shall be along the axis.
        axis: 0 for rows, 1 for columns.
        shift: Bits that are cut off before and after weighting.
    """
    old = values.shape[axis]
    places = (np.arange(new, dtype=np.float64) + 0.5) * (old / new) - 0.5
    low = np.floor(places).astype(np.int64)
    share = (places - low).astype(np.float32)
    high = np.clip(low + 1, 0, old - 1)
    if axis == 1:  # OpenCV forgets the share at the left and right border, but not at the others
        share = np.where((low < 0) | (low >= old - 1), np.float32(0), share)
    low = np.clip(low, 0, old - 1)
    shape = (new, 1) if axis == 0 else (1, new)
    before = np.rint((1 - share) * _ONE).astype(np.int64).reshape(shape)
    after = np.rint(share * _ONE).astype(np.int64).reshape(shape)
    first = (np.take(values, low, axis) >> shift[0]) * before >> shift[1]
    second = (np.take(values, high, axis) >> shift[0]) * after >> shift[1]
    return first + second
