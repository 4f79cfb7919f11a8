"""Regions of an image in the order of a map, and random regions of equal area and shape.

An order is int64 [height, width] or [rows, columns]: a permutation of 0 ... n - 1 that says in
which order pixels (or cells) are taken. The region of a share is the first part of it.
"""

from __future__ import annotations

from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from pixfoundation.geometry import GridFrame, upsample
from pixfoundation.runs.deleting import box_at, control_for

Order = NDArray[np.int64]
Region = NDArray[np.bool_]


class Shape(StrEnum):
    """How a region grows."""

    MAP = "map"  # the highest pixels of the phrase's map
    BOX = "box"  # a box around the point, as the deletion test covers


def map_order(grid: NDArray[np.float32], frame: GridFrame) -> Order:
    """Return the order of the pixels of an image, the highest of a map first.

    Args:
        grid: float32 [grid rows, grid columns].
        frame: Position of the grid on the image.

    Returns:
        int64 [height, width]. Pixels outside the grid, and those without a number, come last; of
        equal pixels the first in row-major order comes first.
    """
    pixels = upsample(np.asarray(grid, np.float32)[None], frame)[0]
    return order_of(np.where(np.isfinite(pixels), pixels, -np.inf))


def order_of(values: NDArray[np.floating]) -> Order:
    """Return the order of values of any shape, the highest first."""
    flat = np.argsort(-values.ravel(), kind="stable")
    order = np.empty(flat.size, np.int64)
    order[flat] = np.arange(flat.size)
    return order.reshape(values.shape)


def first_share(order: Order, share: float) -> Region:
    """Return the first part of an order, bool in its shape.

    Args:
        order: The order.
        share: Share of the area, from 0 to 1, rounded to whole pixels.
    """
    return order < round(share * order.size)


def shifted(order: Order, rng: np.random.Generator) -> Order:
    """Return an order moved by a random vector; what leaves one edge comes in at the other.

    Regions of it have the same area as those of the order, and the same shape except where an edge
    cuts it. All vectors but zero are equally likely.
    """
    number = int(rng.integers(1, order.size)) if order.size > 1 else 0
    return np.roll(order, divmod(number, int(order.shape[1])), axis=(0, 1))


def scattered(order: Order, rng: np.random.Generator) -> Order:
    """Return an order of the same size without any shape: all orders are equally likely."""
    return rng.permutation(order.size).reshape(order.shape).astype(np.int64)


def box_region(point: tuple[float, float], size: tuple[int, int], share: float) -> Region:
    """Return the box around a point that the deletion test covers, bool [height, width].

    Args:
        point: (x, y) in pixels.
        size: (height, width) of the image.
        share: Share of the image's area.
    """
    height, width = size
    return _box(box_at(point, (width, height), share), size)


def random_box(
    point: tuple[float, float], size: tuple[int, int], share: float, rng: np.random.Generator
) -> Region:
    """Return a box of equal size elsewhere, as the control of the deletion test."""
    height, width = size
    box = box_at(point, (width, height), share)
    return _box(control_for(box, (width, height), rng), size)


def _box(box: tuple[int, int, int, int], size: tuple[int, int]) -> Region:
    x0, y0, x1, y1 = box
    region = np.zeros(size, bool)
    region[y0:y1, x0:x1] = True
    return region
