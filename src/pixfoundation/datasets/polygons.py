"""Polygons of annotation files: drawn, and checked for values that are not pixels of the image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pixfoundation.errors import DataError
from pixfoundation.masks import Mask, difference

MAX_COMPARED = 200
"""Most polygons of one mask that are compared with each other; with more it would take too long."""
TOLERANCE = 2.0
"""How many pixels a polygon may reach beyond its image without a note."""


def draw_polygons(
    polygons: Sequence[Sequence[Any]], size: tuple[int, int], notes: list[str]
) -> Mask:
    """Fill polygons as COCO does, return their union, and note what is odd about them.

    Args:
        polygons: One flat sequence x0, y0, x1, y1, ... or one sequence of [x, y] per polygon, in
            pixels of the image.
        size: (height, width) of the image.
        notes: List to which sentences are appended: a polygon outside of the image or reaching
            beyond it, one without a pixel, or one within another.

    Returns:
        The union; without foreground only if a note says why.

    Raises:
        DataError: If a polygon is damaged, or all values lie in 0..1.
    """
    flat = [flat_polygon(polygon) for polygon in polygons]
    union_of_all = Mask.from_polygons(flat, size)
    bounds = [_bounds(polygon) for polygon in flat]
    if bounds and _are_shares(bounds, size):
        raise DataError(
            f"All values of the polygon lie in 0..1, the image has {size[0]} x {size[1]} pixels "
            "(height x width): they seem to be shares of its sides. Polygons are in pixels: "
            "multiply x by the width and y by the height, or give `polygons=shares` if the dataset "
            "is your own folder."
        )
    several = len(flat) > 1
    each = [Mask.from_polygons([p], size) for p in flat] if several else [union_of_all]
    for number, (bound, mask) in enumerate(zip(bounds, each, strict=True), start=1):
        note = _beyond(bound, size)
        if note is None and mask.is_empty:
            note = "covers no pixel."
        if note:
            notes.append(f"polygon {number} {note}")
    if several and len(each) <= MAX_COMPARED:
        notes += _nested(each)
    return union_of_all


def draw_with_holes(
    rings: Sequence[Sequence[Any]], size: tuple[int, int], notes: list[str]
) -> Mask:
    """Fill the first ring and cut the others out, as a polygon of GeoJSON.

    Args:
        rings: The outline and its holes, each as for `draw_polygons`.
        size: (height, width) of the image.
        notes: List to which sentences are appended.

    Raises:
        DataError: As `draw_polygons`.
    """
    if not rings:
        raise DataError("A polygon with holes needs an outline, but its list is empty.")
    outline = draw_polygons(rings[:1], size, notes)
    if len(rings) == 1:
        return outline
    holes = draw_polygons(rings[1:], size, notes)
    return difference(outline, holes)


def flat_polygon(polygon: Any) -> list[Any]:
    """Return a polygon as x0, y0, x1, y1, ...; a list of [x, y] is flattened."""
    if not isinstance(polygon, (list, tuple)):
        raise DataError("A polygon is a list of numbers or of [x, y].")
    if polygon and all(isinstance(point, (list, tuple)) and len(point) == 2 for point in polygon):
        return [value for point in polygon for value in point]
    return list(polygon)


Bounds = tuple[float, float, float, float]
"""Least x and y and greatest x and y of a polygon."""


def _bounds(polygon: Sequence[float]) -> Bounds:
    across, down = polygon[0::2], polygon[1::2]
    return min(across), min(down), max(across), max(down)


def _are_shares(bounds: Sequence[Bounds], size: tuple[int, int]) -> bool:
    """Whether all values lie in 0..1, which in an image of more than 2 x 2 pixels is no polygon."""
    within_unit = all(min(x0, y0) >= 0 and max(x1, y1) <= 1 for x0, y0, x1, y1 in bounds)
    return max(size) > 2 and within_unit


def _beyond(bounds: Bounds, size: tuple[int, int]) -> str | None:
    height, width = size
    left, top, right, bottom = bounds
    where = f"x from {left:g} to {right:g} and y from {top:g} to {bottom:g}"
    image = f"the image of {height} x {width} pixels (height x width)"
    if right <= 0 or bottom <= 0 or left >= width or top >= height:
        return (
            f"lies outside of {image}: it has {where}. It may have been drawn on an image of "
            "another size, or turned."
        )
    if max(-left, -top, right - width, bottom - height) > TOLERANCE:
        return f"reaches beyond {image}: it has {where}. What lies outside is cut off."
    return None


def _nested(masks: Sequence[Mask]) -> list[str]:
    """Note each polygon that lies within another: under the union it changes nothing."""
    notes: list[str] = []
    for inner, mask in enumerate(masks):
        for outer, other in enumerate(masks):
            within = inner != outer and mask.area and mask.intersection(other) == mask.area
            if within and (mask.area < other.area or inner > outer):
                notes.append(
                    f"polygon {inner + 1} lies within polygon {outer + 1}; polygons are united, so "
                    "if it is a hole, it is filled. Run lengths hold holes."
                )
                break
    return notes
