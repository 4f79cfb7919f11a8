"""Resizes masks whose size differs from that of their image."""

from __future__ import annotations

from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from pixfoundation.masks import Mask
from pixfoundation.typed_options import as_choice


class Resizing(StrEnum):
    """How masks are resized to their image."""

    BILINEAR = "bilinear"
    NEAREST = "nearest"


_ONE = (
    2048  # the weights of 8-bit images are whole 2048ths in OpenCV, which the published code uses
)


def resize_mask(mask: Mask, size: tuple[int, int], method: Resizing = Resizing.BILINEAR) -> Mask:
    """Return a mask at another size.

    Args:
        mask: The mask to resize.
        size: The new (height, width).
        method: `bilinear` reproduces to the bit what the published loader of PixCV-Bench does:
            OpenCV's arithmetic for 8-bit images on the values 0 and 1, halves rounded up. `nearest`
            takes the nearest pixel.
    """
    method = as_choice(Resizing, "method", method)
    if mask.size == size:
        return mask
    if method is Resizing.NEAREST:
        return mask.resize_nearest(size)
    along_x = _interpolate(mask.decode().astype(np.int64), size[1], axis=1, shift=(0, 0))
    along_y = _interpolate(along_x, size[0], axis=0, shift=(4, 16))  # in quarters
    return Mask.from_array((along_y + 2) >> 2 > 0)


def _interpolate(
    values: NDArray[np.int64], new: int, axis: int, shift: tuple[int, int]
) -> NDArray[np.int64]:
    """Interpolate along one axis; pixel centres lie at half integers, borders repeat.

    Args:
        values: Integers [rows, columns].
        new: New number of values along the axis.
        axis: 0 for rows, 1 for columns.
        shift: Number of bits dropped before and after weighting.
    """
    old = values.shape[axis]
    places = (np.arange(new, dtype=np.float64) + 0.5) * (old / new) - 0.5
    low = np.floor(places).astype(np.int64)
    share = (places - low).astype(np.float32)
    high = np.clip(low + 1, 0, old - 1)
    if axis == 1:  # OpenCV ignores the fraction at the left and right border only
        share = np.where((low < 0) | (low >= old - 1), np.float32(0), share)
    low = np.clip(low, 0, old - 1)
    shape = (new, 1) if axis == 0 else (1, new)
    before = np.rint((1 - share) * _ONE).astype(np.int64).reshape(shape)
    after = np.rint(share * _ONE).astype(np.int64).reshape(shape)
    first = (np.take(values, low, axis) >> shift[0]) * before >> shift[1]
    second = (np.take(values, high, axis) >> shift[0]) * after >> shift[1]
    return first + second
