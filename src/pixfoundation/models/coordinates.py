"""Points and boxes that models write into their answers, brought to pixels of the original image.

Frames, by family: Qwen2.5-VL writes pixels of the image as its processor resized it; Qwen2-VL,
Qwen3-VL and InternVL write 0 to 1000; LLaVA and Cambrian-1 write 0 to 1; Molmo writes percent.
Answers come as JSON (fenced, bare, or broken), as XML tags (Molmo, Qwen2-VL), or as bare lists.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Literal

from pixfoundation import geometry
from pixfoundation.types import Region

Frame = Literal["resized", "thousand", "unit", "percent"]
FRAMES: tuple[Frame, ...] = ("resized", "thousand", "unit", "percent")

_NUMBER = r"-?\d+(?:\.\d+)?"
_LIST = re.compile(rf"[\[(]\s*({_NUMBER}(?:\s*,\s*{_NUMBER})+)\s*[\])]")
_PAIRED = re.compile(rf"\(({_NUMBER})\s*,\s*({_NUMBER})\)\s*,\s*\(({_NUMBER})\s*,\s*({_NUMBER})\)")
_TAG = re.compile(r"<points?\b([^>]*)>(.*?)(?:</points?>|$)", re.DOTALL)
_ATTRIBUTE = re.compile(rf"([xy])(\d*)\s*=\s*\"\s*({_NUMBER})\s*\"")
_FENCE = re.compile(r"```(?:json)?\s*(.*?)(?:```|$)", re.DOTALL)
_KEYS = ("bbox_2d", "point_2d", "box", "bbox", "point", "points")
_ENTRY = re.compile(rf"\"(?:{'|'.join(_KEYS)})\"\s*:\s*\[\s*({_NUMBER}(?:\s*,\s*{_NUMBER})+)\s*\]")
_LABEL = re.compile(r"\"label\"\s*:\s*\"((?:[^\"\\]|\\.)*)\"")


def parse_regions(
    text: str, frame: Frame, image_size: tuple[int, int], resized: tuple[int, int] | None = None
) -> tuple[Region, ...]:
    """Reads every point and box of an answer.

    Args:
        text: The answer.
        frame: What the numbers are in.
        image_size: (height, width) of the original image.
        resized: (height, width) that the model saw; needed for the frame `resized`.

    Returns:
        Regions in the order of the text, in pixels of the original image, points clamped to it and
        boxes ordered and cut at its borders; empty boxes and what is neither two nor four numbers
        are left out.

    Example:
        >>> parse_regions('[{"point_2d": [500, 250], "label": "door"}]', "thousand", (100, 200))
        (Region(coordinates=(100.0, 25.0), label='door'),)
        >>> parse_regions("[0.1, 0.2, 0.5, 0.6]", "unit", (100, 200))
        (Region(coordinates=(20.0, 20.0, 100.0, 60.0), label=None),)
    """
    regions = []
    for numbers, label in _raw_regions(text):
        place = _to_pixels(numbers, frame, image_size, resized or image_size)
        fitted = _fit(place, image_size)
        if fitted is not None:
            regions.append(Region(fitted, label))
    return tuple(regions)


def _raw_regions(text: str) -> Iterator[tuple[tuple[float, ...], str | None]]:
    """Yields the numbers as they stand, by the first format that the answer has."""
    for read in (_from_tags, _from_json, _from_broken_json, _from_lists):
        found = [(n, label) for n, label in read(text) if len(n) in (2, 4)]
        if found:
            yield from found
            return


def _from_tags(text: str) -> Iterator[tuple[tuple[float, ...], str | None]]:
    for attributes, inner in _TAG.findall(text):
        places: dict[str, dict[str, float]] = {}
        for axis, number, value in _ATTRIBUTE.findall(attributes):
            places.setdefault(number, {})[axis] = float(value)
        for place in places.values():
            if len(place) == 2:
                yield (place["x"], place["y"]), inner.strip() or None


def _from_json(text: str) -> Iterator[tuple[tuple[float, ...], str | None]]:
    fenced = _FENCE.search(text)
    found = list(_json_values(fenced[1])) if fenced else []
    for value in found or _json_values(text):
        yield from _entries(value)


def _json_values(text: str) -> Iterator[Any]:
    """Yields the JSON lists and objects of a text, up to the first that is cut or ill-formed."""
    at = 0
    while start := re.search(r"[\[{]", text[at:]):
        try:
            value, length = json.JSONDecoder().raw_decode(text[at + start.start() :])
        except ValueError:
            return
        yield value
        at += start.start() + length


def _entries(value: Any) -> Iterator[tuple[tuple[float, ...], str | None]]:
    if isinstance(value, list) and value and all(_is_number(v) for v in value):
        yield tuple(map(float, value)), None
    elif isinstance(value, list):
        for entry in value:
            yield from _entries(entry)
    elif isinstance(value, dict):
        label = value.get("label")
        for key in _KEYS:
            for numbers, _ in _entries(value.get(key)):
                yield numbers, label if isinstance(label, str) else None


def _from_broken_json(text: str) -> Iterator[tuple[tuple[float, ...], str | None]]:
    """Reads what a cut or ill-formed list still holds whole."""
    for found in _ENTRY.finditer(text):
        end = text.find("}", found.end())
        around = text[text.rfind("{", 0, found.start()) + 1 : end if end >= 0 else len(text)]
        label = _LABEL.search(around)
        yield _numbers(found[1]), label[1] if label else None


def _from_lists(text: str) -> Iterator[tuple[tuple[float, ...], str | None]]:
    paired = _PAIRED.findall(text)
    if paired:  # Qwen2-VL's (x0,y0),(x1,y1)
        for numbers in paired:
            yield tuple(map(float, numbers)), None
        return
    for found in _LIST.findall(text):
        yield _numbers(found), None


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
    scale = 100 if frame == "percent" else 1
    return geometry.from_unit(tuple(value / scale for value in numbers), size)


def _fit(place: tuple[float, ...], size: tuple[int, int]) -> tuple[float, ...] | None:
    height, width = size
    if len(place) == 2:
        return (min(max(place[0], 0.0), width - 1.0), min(max(place[1], 0.0), height - 1.0))
    box = geometry.clip_box((place[0], place[1], place[2], place[3]), size)
    return box if box[2] > box[0] and box[3] > box[1] else None
