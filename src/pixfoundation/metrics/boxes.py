"""Overlap of boxes, for datasets whose truth is a box."""

from __future__ import annotations

from collections.abc import Sequence

Box = tuple[float, float, float, float]
"""(x0, y0, x1, y1) in pixels of the image, ends exclusive."""


def box_area(box: Box) -> float:
    """Return the area of a box in pixels; 0 if its ends are in the wrong order.

    Example:
        >>> box_area((1, 1, 3, 4))
        6.0
    """
    return float(max(box[2] - box[0], 0) * max(box[3] - box[1], 0))


def box_iou(first: Box, second: Box) -> float:
    """Return the intersection over union of two boxes, 0..1; 0 if either has no area.

    Example:
        >>> box_iou((0, 0, 2, 2), (1, 0, 3, 2))
        0.3333333333333333
    """
    common = box_area(
        (
            max(first[0], second[0]),
            max(first[1], second[1]),
            min(first[2], second[2]),
            min(first[3], second[3]),
        )
    )
    union = box_area(first) + box_area(second) - common
    return common / union if common else 0.0


def enclosing_box(boxes: Sequence[Box]) -> Box:
    """Return the smallest box around all boxes; zeros if there are none.

    Example:
        >>> enclosing_box([(0, 5, 2, 6), (1, 1, 3, 2)])
        (0, 1, 3, 6)
    """
    if not boxes:
        return (0.0, 0.0, 0.0, 0.0)
    left, top, right, bottom = zip(*boxes, strict=True)
    return (min(left), min(top), max(right), max(bottom))
