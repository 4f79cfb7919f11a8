"""Bring the numbers of an answer to pixels of the original image, and count what does not fit.

Frames, by family: Qwen2.5-VL writes pixels of the image as its processor resized it; Qwen2-VL,
Qwen3-VL, InternVL, Gemini and Gemma write 0 to 1000; LLaVA writes 0 to 1 of the square to which it
pads an image (haotian-liu/LLaVA, issue 606); Molmo writes percent.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from pixfoundation import geometry
from pixfoundation.answer_parts import take_apart
from pixfoundation.models.coordinates.formats import FRAMES, Frame, Order
from pixfoundation.models.coordinates.parsing import NamedPlace, named_places
from pixfoundation.typed_options import as_choice
from pixfoundation.types import Region

__all__ = ["FRAMES", "Frame", "Places", "parse_regions", "read_places"]

MOST_REGIONS = 256
"""Regions of one answer that are used; a model that repeats itself writes more."""
_SLACK = 1.02
"""How far a number may exceed its frame by rounding."""


@dataclass(frozen=True, slots=True)
class Places:
    """The points and boxes of an answer.

    Attributes:
        regions: The points and boxes in pixels of the original image, in the order of the text.
        doubtful: How many of them have numbers that do not fit the frame: larger than its end, or
            fractions up to 1 in a frame of whole numbers.
        left_out: How many places could not be used: numbers without end, or more places than any
            image has objects.
    """

    regions: tuple[Region, ...]
    doubtful: int = 0
    left_out: int = 0


def read_places(
    text: str,
    frame: Frame,
    image_size: tuple[int, int],
    resized: tuple[int, int] | None = None,
    order: Order = Order.BY_FORM,
    boxes: bool = False,
) -> Places:
    """Read every point and box of an answer, and count what is doubtful.

    Args:
        text: The answer, with or without thoughts.
        frame: What the numbers are in. Percent signs and location tokens tell it themselves.
        image_size: (height, width) of the original image.
        resized: (height, width) that the model saw; needed for the frame `resized`.
        order: Which axis stands first; 'by-form' is y for `box_2d`, else x.
        boxes: Whether boxes were asked for, so that a list of two points alone is a box.

    Returns:
        Points are clamped to the image, boxes ordered and cut at its borders; empty boxes and what
        is neither two nor four numbers are left out. A box and the points of one JSON object are
        one region.

    Raises:
        DataError: If there is no such frame or order.
    """
    frame, order = as_choice(Frame, "frame", frame), as_choice(Order, "order", order)
    seen = resized or image_size
    regions: list[Region] = []
    doubtful = left_out = 0
    named = named_places(take_apart(text).text, boxes=boxes)
    for place in named[:MOST_REGIONS]:
        if not all(math.isfinite(number) for number in place.numbers):
            left_out += 1
            continue
        doubtful += place.unit is None and not _fits_frame(place.numbers, frame, seen)
        regions += _regions(place, frame, image_size, seen, order)
    return Places(tuple(regions), doubtful, left_out + max(len(named) - MOST_REGIONS, 0))


def parse_regions(
    text: str, frame: Frame, image_size: tuple[int, int], resized: tuple[int, int] | None = None
) -> tuple[Region, ...]:
    """Read every point and box of an answer, see `read_places`.

    Example:
        >>> parse_regions('[{"point_2d": [500, 250], "label": "door"}]', Frame.THOUSAND, (100, 200))
        (Region(coordinates=(100.0, 25.0), label='door', points=()),)
        >>> parse_regions('[{"box_2d": [100, 600, 300, 900]}]', Frame.THOUSAND, (100, 200))
        (Region(coordinates=(120.0, 10.0, 180.0, 30.0), label=None, points=()),)
    """
    return read_places(text, frame, image_size, resized).regions


def _regions(
    place: NamedPlace,
    frame: Frame,
    image_size: tuple[int, int],
    seen: tuple[int, int],
    order: Order,
) -> Iterator[Region]:
    y_first = order is Order.Y_FIRST if order is not Order.BY_FORM else bool(place.y_first)
    if place.y_first is False or place.unit is Frame.UNIT:  # named axes, or tokens of one meaning
        y_first = bool(place.y_first)

    def put(numbers: tuple[float, ...]) -> tuple[float, ...] | None:
        if y_first:
            numbers = tuple(numbers[i ^ 1] for i in range(len(numbers)))
        return _fit(_to_pixels(numbers, place.unit or frame, image_size, seen), image_size)

    where = put(place.numbers)
    finite = [point for point in place.points if all(map(math.isfinite, point))]
    points = tuple((p[0], p[1]) for p in map(put, finite) if p is not None)
    if where is not None:
        yield Region(where, place.label, points)
    else:  # a box without area
        yield from (Region(point, place.label) for point in points)


def _fits_frame(numbers: tuple[float, ...], frame: Frame, seen: tuple[int, int]) -> bool:
    """Return whether numbers can belong to a frame."""
    ends = {Frame.THOUSAND: 1000, Frame.PERCENT: 100, Frame.UNIT: 1, Frame.SQUARE: 1}
    end = ends.get(frame, max(seen))
    if any(abs(number) > end * _SLACK for number in numbers):
        return False
    if end == 1:
        return True
    fractions = any(number != int(number) for number in numbers)
    return not (fractions and all(0 <= number <= 1 for number in numbers))


def _to_pixels(
    numbers: tuple[float, ...],
    frame: Frame,
    size: tuple[int, int],
    resized: tuple[int, int],
) -> tuple[float, ...]:
    if frame is Frame.PIXELS:
        return numbers
    if frame is Frame.RESIZED:
        return geometry.from_resized(numbers, resized, size)
    if frame is Frame.THOUSAND:
        return geometry.from_thousand(numbers, size)
    if frame is Frame.SQUARE:
        return geometry.from_padded_square(numbers, size)
    scale = 100 if frame is Frame.PERCENT else 1
    return geometry.from_unit(tuple(value / scale for value in numbers), size)


def _fit(place: tuple[float, ...], size: tuple[int, int]) -> tuple[float, ...] | None:
    height, width = size
    if len(place) == 2:
        return (min(max(place[0], 0.0), width - 1.0), min(max(place[1], 0.0), height - 1.0))
    box = geometry.clip_box((place[0], place[1], place[2], place[3]), size)
    return box if box[2] > box[0] and box[3] > box[1] else None
