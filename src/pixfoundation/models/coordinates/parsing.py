"""Points and boxes that models write into their answers, brought to pixels of the original image.

Frames, by family: Qwen2.5-VL writes pixels of the image as its processor resized it; Qwen2-VL,
Qwen3-VL and InternVL write 0 to 1000; LLaVA writes 0 to 1 of the square to which it pads an image
(haotian-liu/LLaVA, issue 606); Molmo writes percent.
Answers come as JSON (fenced, bare, or broken), as XML tags (Molmo, Qwen2-VL), or as bare lists.
What a model thought before (`<think>` ... `<answer>`: Seg-Zero, VisionReasoner) is not read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pixfoundation import geometry
from pixfoundation.models.coordinates.formats import FRAMES, Frame
from pixfoundation.types import Region

__all__ = ["FRAMES", "Frame", "parse_regions"]

_NUMBER = r"-?\d+(?:\.\d+)?"
_LIST = re.compile(rf"[\[(]\s*({_NUMBER}(?:\s*,\s*{_NUMBER})+)\s*[\])]")
_PAIRED = re.compile(rf"\(({_NUMBER})\s*,\s*({_NUMBER})\)\s*,\s*\(({_NUMBER})\s*,\s*({_NUMBER})\)")
_TAG = re.compile(r"<points?\b([^>]*)>(.*?)(?:</points?>|$)", re.DOTALL)
_ATTRIBUTE = re.compile(rf"([xy])(\d*)\s*=\s*\"\s*({_NUMBER})\s*\"")
_FENCE = re.compile(r"```(?:json)?\s*(.*?)(?:```|$)", re.DOTALL)
_ANSWER = re.compile(r"<answer>(.*?)(?:</answer>|$)", re.DOTALL)
_BOX_KEYS = ("bbox_2d", "box", "bbox")
_POINT_KEYS = ("point_2d", "point", "points", "points_1", "points_2")
_ENTRY = re.compile(
    rf"[\"']({'|'.join(_BOX_KEYS + _POINT_KEYS)})[\"']\s*:\s*"
    rf"\[\s*({_NUMBER}(?:\s*,\s*{_NUMBER})+)\s*\]"
)
_LABEL = re.compile(r"""["']label["']\s*:\s*(["'])((?:(?!\1)[^\\]|\\.)*)\1""")


@dataclass(frozen=True, slots=True)
class _Named:
    """A place as an answer names it: numbers in the model's frame, points inside, a label."""

    numbers: tuple[float, ...]
    label: str | None = None
    points: tuple[tuple[float, ...], ...] = ()


def parse_regions(
    text: str, frame: Frame, image_size: tuple[int, int], resized: tuple[int, int] | None = None
) -> tuple[Region, ...]:
    """Read every point and box of an answer.

    Args:
        text: The answer.
        frame: What the numbers are in.
        image_size: (height, width) of the original image.
        resized: (height, width) that the model saw; needed for the frame `resized`.

    Returns:
        Regions in the order of the text, in pixels of the original image, points clamped to it and
        boxes ordered and cut at its borders; empty boxes and what is neither two nor four numbers
        are left out. A box and the points of one JSON object are one region.

    Example:
        >>> parse_regions('[{"point_2d": [500, 250], "label": "door"}]', "thousand", (100, 200))
        (Region(coordinates=(100.0, 25.0), label='door', points=()),)
        >>> parse_regions("[0.1, 0.2, 0.5, 0.6]", "unit", (100, 200))
        (Region(coordinates=(20.0, 20.0, 100.0, 60.0), label=None, points=()),)
    """

    def place(numbers: tuple[float, ...]) -> tuple[float, ...] | None:
        return _fit(_to_pixels(numbers, frame, image_size, resized or image_size), image_size)

    regions = []
    for named in _named_places(_spoken(text)):
        where = place(named.numbers)
        points_in_box = tuple((p[0], p[1]) for p in map(place, named.points) if p is not None)
        if where is not None:
            regions.append(Region(where, named.label, points_in_box))
        else:  # a box without area
            regions += [Region(point, named.label) for point in points_in_box]
    return tuple(regions)


def _spoken(text: str) -> str:
    """Return what a model answers, without its thoughts; nothing if it came no further."""
    _, thought, after = text.rpartition("</think>")
    answer = _ANSWER.search(after)
    if answer:
        return answer[1]
    return after if thought or "<think>" not in text else ""


def _named_places(text: str) -> Iterator[_Named]:
    """Yield the numbers as they stand, by the first format that the answer has."""
    for read in (_from_tags, _from_json, _from_broken_json, _from_lists):
        places = [named for named in read(text) if len(named.numbers) in (2, 4)]
        if places:
            yield from places
            return


def _from_tags(text: str) -> Iterator[_Named]:
    for attributes, inner in _TAG.findall(text):
        places: dict[str, dict[str, float]] = {}
        for axis, number, value in _ATTRIBUTE.findall(attributes):
            places.setdefault(number, {})[axis] = float(value)
        for place in places.values():
            if len(place) == 2:
                yield _Named((place["x"], place["y"]), inner.strip() or None)


def _from_json(text: str) -> Iterator[_Named]:
    fenced = _FENCE.search(text)
    values = list(_json_values(fenced[1])) if fenced else []
    for value in values or _json_values(text):
        yield from _entries(value)


def _json_values(text: str) -> Iterator[Any]:
    """Yield the JSON lists and objects of a text, up to the first that is cut or ill-formed."""
    at = 0
    while start := re.search(r"[\[{]", text[at:]):
        try:
            value, length = json.JSONDecoder().raw_decode(text[at + start.start() :])
        except ValueError:
            return
        yield value
        at += start.start() + length


def _entries(value: Any) -> Iterator[_Named]:
    """Yield what is named in a JSON value, however deep."""
    if isinstance(value, dict):
        label = value.get("label")
        yield from _together(
            [named.numbers for key in _BOX_KEYS for named in _entries(value.get(key))],
            [named.numbers for key in _POINT_KEYS for named in _entries(value.get(key))],
            label if isinstance(label, str) else None,
        )
    elif isinstance(value, list) and value and all(_is_number(v) for v in value):
        yield _Named(tuple(map(float, value)))
    elif isinstance(value, list):
        for entry in value:
            yield from _entries(entry)


def _together(
    boxes: list[tuple[float, ...]], points: list[tuple[float, ...]], label: str | None
) -> Iterator[_Named]:
    """Yield the places of one object; a box keeps the points next to it."""
    if len(boxes) == 1 and len(boxes[0]) == 4 and all(len(point) == 2 for point in points):
        yield _Named(boxes[0], label, tuple(points))
    else:
        yield from (_Named(numbers, label) for numbers in boxes + points)


def _from_broken_json(text: str) -> Iterator[_Named]:
    """Read what cut or ill-formed objects, single-quoted ones too, still hold whole."""
    objects: dict[int, list[re.Match[str]]] = {}
    for match in _ENTRY.finditer(text):
        objects.setdefault(text.rfind("{", 0, match.start()), []).append(match)
    for start, entries in objects.items():
        end = text.find("}", entries[-1].end())
        label = _LABEL.search(text[start + 1 : end if end >= 0 else len(text)])
        yield from _together(
            [_numbers(entry[2]) for entry in entries if entry[1] in _BOX_KEYS],
            [_numbers(entry[2]) for entry in entries if entry[1] in _POINT_KEYS],
            label[2] if label else None,
        )


def _from_lists(text: str) -> Iterator[_Named]:
    paired = _PAIRED.findall(text)
    if paired:  # Qwen2-VL's (x0,y0),(x1,y1)
        for numbers in paired:
            yield _Named(tuple(map(float, numbers)))
        return
    for entry in _LIST.findall(text):
        yield _Named(_numbers(entry))


def _numbers(text: str) -> tuple[float, ...]:
    return tuple(float(part) for part in text.split(","))


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _to_pixels(
    numbers: tuple[float, ...], frame: Frame, size: tuple[int, int], resized: tuple[int, int]
) -> tuple[float, ...]:
    if frame == "resized":
        return geometry.from_resized(numbers, resized, size)
    if frame == "thousand":
        return geometry.from_thousand(numbers, size)
    if frame == "square":
        return geometry.from_padded_square(numbers, size)
    scale = 100 if frame == "percent" else 1
    return geometry.from_unit(tuple(value / scale for value in numbers), size)


def _fit(place: tuple[float, ...], size: tuple[int, int]) -> tuple[float, ...] | None:
    height, width = size
    if len(place) == 2:
        return (min(max(place[0], 0.0), width - 1.0), min(max(place[1], 0.0), height - 1.0))
    box = geometry.clip_box((place[0], place[1], place[2], place[3]), size)
    return box if box[2] > box[0] and box[3] > box[1] else None
