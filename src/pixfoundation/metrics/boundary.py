"""Boundary IoU, and the number of separate components of a mask."""

from __future__ import annotations

from math import hypot

import numpy as np
from numpy.typing import NDArray

from pixfoundation.errors import DataError
from pixfoundation.masks import Mask

DILATION = 0.02
"""Width of the boundary as a share of the image's diagonal: the published default for COCO."""


def boundary_iou(first: Mask, second: Mask, dilation: float = DILATION) -> float:
    """Return the IoU of the inner boundaries of two masks, 0..1.

    Source: Cheng et al., Boundary IoU (CVPR 2021): the boundary of a mask holds its pixels within d
    of the outside, the border of the image included; d is the rounded share of the diagonal, at
    least 1, and distances are those of a 3 x 3 erosion repeated d times.

    Args:
        first: A mask.
        second: A mask of the same size.
        dilation: Width of the boundary as a share of the image's diagonal.

    Raises:
        DataError: If the sizes differ.

    Example:
        >>> full = Mask.full((9, 9))
        >>> ring = np.ones((9, 9)); ring[1:8, 1:8] = 0
        >>> boundary_iou(full, Mask.from_array(ring))
        1.0
    """
    if first.size != second.size:
        raise DataError(
            f"The boundaries of masks of different sizes cannot be compared: {first.size} and "
            f"{second.size} (height, width)."
        )
    width = max(round(dilation * hypot(*first.size)), 1)
    edges = [_boundary(mask.decode(), width) for mask in (first, second)]
    union = int((edges[0] | edges[1]).sum())
    return int((edges[0] & edges[1]).sum()) / union if union else 1.0


def _boundary(mask: NDArray[np.bool_], width: int) -> NDArray[np.bool_]:
    """Return the pixels of a mask that erosion by a square of 2 * width + 1 pixels removes."""
    side = 2 * width + 1
    padded = np.pad(mask, width).astype(np.int64)
    sums = np.pad(padded.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    foreground = (
        sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]
    )
    return mask & (foreground < side * side)


def count_components(mask: Mask) -> int:
    """Return the number of components of a mask whose pixels touch at a side or a corner.

    Example:
        >>> count_components(Mask.from_array([[1, 0, 1], [0, 1, 0], [0, 0, 0], [1, 0, 0]]))
        2
    """
    array = mask.decode()
    labels: list[int] = []
    above: list[tuple[int, int, int]] = []
    for row in array:
        edges = np.flatnonzero(np.diff(np.concatenate(([0], row.astype(np.int8), [0]))))
        current: list[tuple[int, int, int]] = []
        for start, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
            touching = {_root(labels, run[2]) for run in above if run[0] <= end and start <= run[1]}
            label = min(touching, default=len(labels))
            if not touching:
                labels.append(label)
            for other in touching:
                labels[other] = label
            current.append((start, end, label))
        above = current
    return sum(label == parent for label, parent in enumerate(labels))


def _root(labels: list[int], label: int) -> int:
    """Return the component that a label belongs to."""
    while labels[label] != label:
        label = labels[label]
    return label
