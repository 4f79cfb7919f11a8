"""Find the points and boxes that a model writes into its answer, as numbers in the model's frame.

Answers come as JSON (in one or several fences, bare, or broken), as XML tags (Molmo, Qwen2-VL,
MiniCPM-V), as location tokens (PaliGemma, Florence-2), as bare lists, or as numbers alone. The
numbers of a box are two corners in a list, a pair of points, or named (`xmin`, `left`, `x` with
`width`). Gemini and Gemma write `box_2d` with y first. What a model thought before (`<think>` ...
`<answer>`: Seg-Zero, VisionReasoner) is not read.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from pixfoundation.models.coordinates.formats import Frame

LARGEST = 1_000_000
"""A larger number is no coordinate; a model that repeats a digit without end writes such."""
LONGEST = 200_000
"""Characters of an answer that are read."""
_DEEPEST = 16

# Possessive quantifiers: a text of a thousand blanks after a number must not take minutes.
_CLOSE_NUMBER = r"[\"']?+-?\d++(?:\.\d++)?+%?+[\"']?+"
_NUMBER = r"(?:[\"']\s*+)?+-?\d++(?:\.\d++)?+\s*+(?:%\s*+)?+[\"']?+"
_LIST = re.compile(rf"[\[(]\s*+({_NUMBER}(?:\s*+,\s*+{_NUMBER})++)\s*+(?:,\s*+)?+[\])]")
_POINT = rf"\(\s*+({_NUMBER})\s*+,\s*+({_NUMBER})\s*+\)"
_PAIRED = re.compile(rf"{_POINT}\s*+(?:,|\bto\b|[-–—→])\s*+{_POINT}")
_BARE = re.compile(
    rf"[\[(]?\s*+{_CLOSE_NUMBER}(?:(?:\s*+[,;]\s*+|\s++){_CLOSE_NUMBER}){{3}}[\s\]).]*+"
)
_ASSIGNED = re.compile(
    rf"\b([xy]_?(?:min|max)|[xy][012]?|left|top|right|bottom|width|height)\s*+[=:]\s*+({_NUMBER})",
    re.IGNORECASE,
)
_WIDE = str.maketrans("（），［］：；％０１２３４５６７８９", "(),[]:;%0123456789")
_TAG = re.compile(r"<points?\b([^>]*)>(.*?)(?:</points?>|$)", re.DOTALL)
_ATTRIBUTE = re.compile(rf"([xy])(\d*)\s*=\s*({_NUMBER})")
_SPACED = re.compile(
    rf"<(?:box|bbox|point|quad)>\s*+({_CLOSE_NUMBER}(?:\s++{_CLOSE_NUMBER}){{1,3}})\s*+"
    r"</(?:box|bbox|point|quad)>"
)
_LOCATIONS = re.compile(r"((?:<loc\d{4}>){2,4})\s*([^<;\n]*)|((?:<loc_\d{1,3}>){2,4})")
_FENCE = re.compile(r"```(?:\w+)?\s*(.*?)(?:```|$)", re.DOTALL)
_Y_FIRST_KEYS = ("box_2d",)
_BOX_KEYS = (
    "bbox_2d", "box", "bbox", "bounding_box", "boundingbox", "bounding box", "bboxes", "boxes",
    "coordinates", *_Y_FIRST_KEYS,
)  # fmt: skip
_POINT_KEYS = ("point_2d", "point", "points", "points_1", "points_2")
_LABEL_KEYS = ("label", "name", "object", "description", "category", "class")
_CORNERS = (
    ("xmin", "ymin", "xmax", "ymax"), ("x_min", "y_min", "x_max", "y_max"),
    ("left", "top", "right", "bottom"), ("x1", "y1", "x2", "y2"), ("x0", "y0", "x1", "y1"),
)  # fmt: skip
_SIZED = (("x", "y", "width", "height"), ("x", "y", "w", "h"), ("left", "top", "width", "height"))
_CORNER_POINTS = (("top_left", "bottom_right"), ("topleft", "bottomright"), ("min", "max"))
_ENTRY = re.compile(
    rf"[\"']({'|'.join(map(re.escape, (*_BOX_KEYS, *_POINT_KEYS)))})[\"']\s*:\s*"
    rf"\[\s*+({_NUMBER}(?:\s*+,\s*+{_NUMBER})++)\s*+\]",
    re.IGNORECASE,
)
_LABEL = re.compile(r"""["']label["']\s*:\s*(["'])((?:(?!\1)[^\\]|\\.)*)\1""")


@dataclass(frozen=True, slots=True)
class NamedPlace:
    """A place as an answer names it.

    Attributes:
        numbers: Two or four numbers in the model's frame; infinite where they cannot be read.
        label: The words that describe it; None if there are none.
        points: Points that the model wrote for the same object, next to a box.
        y_first: Whether y stands before x; None if the form does not tell.
        unit: The frame, where the form itself tells: percent signs, location tokens.
        is_pair: Whether the numbers are a list of two points, which may be the corners of a box.
    """

    numbers: tuple[float, ...]
    label: str | None = None
    points: tuple[tuple[float, ...], ...] = ()
    y_first: bool | None = None
    unit: Frame | None = None
    is_pair: bool = False

    def split(self) -> list[NamedPlace]:
        """Return a pair as its two points; any other place as it is."""
        if not self.is_pair:
            return [self]
        first, last = self.numbers[:2], self.numbers[2:]
        return [replace(self, numbers=numbers, is_pair=False) for numbers in (first, last)]


def named_places(text: str, *, boxes: bool = False) -> list[NamedPlace]:
    """Return the places of an answer, by the first form in which it has any.

    Args:
        text: The answer without thoughts.
        boxes: Whether boxes were asked for, so that a list of two points alone is a box.
    """
    text = text[:LONGEST].translate(_WIDE)
    for read in (
        _from_tags,
        _from_locations,
        _from_json,
        _from_broken_json,
        _from_lists,
        _from_words,
    ):
        places = [place for place in read(text) if len(place.numbers) in (2, 4)]
        if places:
            is_box = boxes and len(places) == 1
            return places if is_box else [part for place in places for part in place.split()]
    return []


def _from_tags(text: str) -> Iterator[NamedPlace]:
    for attributes, inner in _TAG.findall(text):
        places: dict[str, dict[str, tuple[float, bool]]] = {}
        for axis, number, value in _ATTRIBUTE.findall(attributes):
            places.setdefault(number, {})[axis] = _number(value) or (math.inf, False)
        for place in places.values():
            if len(place) == 2:
                yield NamedPlace((place["x"][0], place["y"][0]), inner.strip() or None, (), False)
    for numbers in _SPACED.findall(text):
        yield _place(re.findall(_NUMBER, numbers))


def _from_locations(text: str) -> Iterator[NamedPlace]:
    """Read PaliGemma's `<loc0123>`, y first, of 1024, and Florence-2's `<loc_123>`, of 1000."""
    for y_first, label, x_first in _LOCATIONS.findall(text):
        bins = 1024 if y_first else 1000
        numbers = tuple(int(n) / bins for n in re.findall(r"\d+", y_first or x_first))
        yield NamedPlace(numbers, label.strip() or None, (), bool(y_first), Frame.UNIT)


def _from_json(text: str) -> Iterator[NamedPlace]:
    values = [value for inner in _FENCE.findall(text) for value in _json_values(inner)]
    for value in values or _json_values(text):
        yield from _entries(value)


def _json_values(text: str) -> Iterator[Any]:
    """Yield the JSON lists and objects of a text, up to the first that is cut or ill-formed."""
    decoder = json.JSONDecoder(parse_int=_parsed, parse_float=_parsed, parse_constant=_parsed)
    at = 0
    while start := re.compile(r"[\[{]").search(text, at):
        try:
            value, at = decoder.raw_decode(text, start.start())
        except (ValueError, RecursionError):
            return
        yield value


def _parsed(number: str) -> float:
    """Return a number of JSON; infinity for one that no coordinate can be."""
    try:
        value = float(number)
    except (ValueError, OverflowError):
        return math.inf
    return value if abs(value) <= LARGEST else math.inf


def _entries(value: Any, depth: int = 0) -> Iterator[NamedPlace]:
    """Yield what is named in a JSON value."""
    if depth > _DEEPEST:
        return
    if isinstance(value, dict):
        yield from _of_object(_fields(cast("dict[Any, Any]", value)), depth)
    elif isinstance(value, list):
        entries = cast("list[Any]", value)
        if entries and all(_number(entry) is not None for entry in entries):
            yield _place(entries)
        elif (pair := _pair(entries)) is not None:
            yield pair
        else:
            for entry in entries:
                yield from _entries(entry, depth + 1)


def _pair(entries: list[Any]) -> NamedPlace | None:
    """Return a list of two points as one place; None if it is another list."""
    if len(entries) != 2 or not all(isinstance(e, list) and len(e) == 2 for e in entries):
        return None
    numbers = [*entries[0], *entries[1]]
    if any(_number(number) is None for number in numbers):
        return None
    return replace(_place(numbers), is_pair=True)


def _fields(value: dict[Any, Any]) -> dict[str, Any]:
    return {str(key).strip().lower(): entry for key, entry in value.items()}


def _of_object(fields: dict[str, Any], depth: int) -> Iterator[NamedPlace]:
    label = next((fields[k] for k in _LABEL_KEYS if isinstance(fields.get(k), str)), None)
    if (corners := _named_corners(fields)) is not None:
        yield replace(corners, label=label)
        return
    boxes = [box for key in _BOX_KEYS for box in _boxes(key, fields.get(key), depth)]
    points = [
        point
        for key in _POINT_KEYS
        for place in _entries(_listed(fields.get(key)), depth + 1)
        for point in place.split()
    ]
    if boxes or points:
        y_first = any(box.y_first for box in boxes) or None
        yield from _together(boxes, [replace(point, y_first=y_first) for point in points], label)
        return
    for entry in fields.values():
        if isinstance(entry, dict | list):
            yield from _entries(entry, depth + 1)


def _boxes(key: str, value: Any, depth: int) -> Iterator[NamedPlace]:
    """Yield the boxes under a key; two points are two corners."""
    y_first = True if key in _Y_FIRST_KEYS else None
    for place in _entries(_listed(value), depth + 1):
        order = y_first if place.y_first is None else place.y_first
        yield replace(place, y_first=order, is_pair=False)


def _listed(value: Any) -> Any:
    """Return a list that was written as a text, '[1, 2, 3, 4]', as a list."""
    if isinstance(value, str):
        return (
            re.findall(_NUMBER, value)[:8] if re.fullmatch(r"[\s\d.,%\-\[\]()]+", value) else None
        )
    return value


def _named_corners(fields: dict[str, Any]) -> NamedPlace | None:
    """Read `xmin`, `ymin`, `xmax`, `ymax` and the like; the order of the keys is of no matter."""
    for names in _CORNERS:
        if all(_number(fields.get(name)) is not None for name in names):
            return replace(_place([fields[name] for name in names]), y_first=False)
    for names in _SIZED:
        if all(_number(fields.get(name)) is not None for name in names):
            place = _place([fields[name] for name in names])
            x, y, width, height = place.numbers
            return replace(place, numbers=(x, y, x + width, y + height), y_first=False)
    for first, last in _CORNER_POINTS:
        corners = [list(_entries(fields.get(name))) for name in (first, last)]
        if all(len(corner) == 1 and len(corner[0].numbers) == 2 for corner in corners):
            (one,), (other,) = corners
            return replace(one, numbers=(*one.numbers, *other.numbers), is_pair=False)
    if set(fields) & {"x", "y"} == {"x", "y"} and not set(fields) & {*_BOX_KEYS}:
        values = [fields["x"], fields["y"]]
        if all(_number(value) is not None for value in values):
            return replace(_place(values), y_first=False)
    return None


def _together(
    boxes: list[NamedPlace], points: list[NamedPlace], label: str | None
) -> Iterator[NamedPlace]:
    """Yield the places of one object; a box keeps the points next to it."""
    if len(boxes) == 1 and len(boxes[0].numbers) == 4 and all(len(p.numbers) == 2 for p in points):
        yield replace(boxes[0], label=label, points=tuple(point.numbers for point in points))
    else:
        yield from (replace(place, label=label) for place in [*boxes, *points])


def _from_broken_json(text: str) -> Iterator[NamedPlace]:
    """Read what cut or ill-formed objects, single-quoted ones too, still hold whole."""
    objects: dict[int, list[re.Match[str]]] = {}
    for match in _ENTRY.finditer(text):
        objects.setdefault(text.rfind("{", 0, match.start()), []).append(match)
    for start, entries in objects.items():
        end = text.find("}", entries[-1].end())
        label = _LABEL.search(text[start + 1 : end if end >= 0 else len(text)])
        keys = {entry[1].lower() for entry in entries}
        y_first = True if keys & {*_Y_FIRST_KEYS} else None
        places = [
            (e[1].lower(), replace(_place(e[2].split(",")), y_first=y_first)) for e in entries
        ]
        yield from _together(
            [place for key, place in places if key in _BOX_KEYS],
            [place for key, place in places if key in _POINT_KEYS],
            label[2] if label else None,
        )


def _from_lists(text: str) -> Iterator[NamedPlace]:
    paired = _PAIRED.findall(text)
    if paired:  # Qwen2-VL's (x0,y0),(x1,y1)
        for numbers in paired:
            yield _place(numbers)
        return
    for entry in _LIST.findall(text):
        yield _place(entry.split(","))


def _from_words(text: str) -> Iterator[NamedPlace]:
    """Read `x1=20, y1=10, x2=60, y2=30`, and an answer that is four numbers and nothing else."""
    objects: list[dict[str, Any]] = [{}]
    for name, number in _ASSIGNED.findall(text):
        if name.lower() in objects[-1]:
            objects.append({})
        objects[-1][name.lower()] = number
    places = [place for fields in objects if (place := _named_corners(fields)) is not None]
    if not places and _BARE.fullmatch(text.strip()):
        places = [_place(re.findall(_NUMBER, text))]
    yield from places


def _place(values: Sequence[Any]) -> NamedPlace:
    numbers = [_number(value) or (math.inf, False) for value in values]
    percent = any(is_percent for _, is_percent in numbers)
    return NamedPlace(tuple(value for value, _ in numbers), unit=Frame.PERCENT if percent else None)


def _number(value: Any) -> tuple[float, bool] | None:
    """Return a number, also of a text, and whether it is percent; None for any other value."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return (value if abs(value) <= LARGEST else math.inf), False
    if isinstance(value, str):
        bare = value.strip(" \t\n\"'")
        if re.fullmatch(r"-?\d+(?:\.\d+)?\s*%?", bare):
            return _parsed(bare.rstrip("% ")), bare.endswith("%")
    return None
