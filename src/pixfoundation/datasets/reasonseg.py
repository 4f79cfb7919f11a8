"""ReasonSeg: implicit queries about an image, short phrases and whole sentences.

Data: Lai et al., LISA (CVPR 2024). Layout:

```
ReasonSeg/val/<name>.jpg     ReasonSeg/val/<name>.json      the same for test and train
```

Each JSON file holds `shapes` (polygons with a label), `text` (a list of queries) and `is_sentence`.
A shape labelled `flag` is left out; one whose label holds `ignore` marks pixels that count neither
way; all others are the target. Shapes are drawn by falling area, so that small ones lie on top.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from pixfoundation.datasets.base import Problem, datasets
from pixfoundation.datasets.files import FileDataset
from pixfoundation.datasets.places import given_or_fetched
from pixfoundation.datasets.refer_files import count_note
from pixfoundation.errors import DataError, PrerequisiteError
from pixfoundation.existence import isdir
from pixfoundation.images import image_size
from pixfoundation.masks import MAX_COORDINATE, Mask
from pixfoundation.types import Query, Sample

NAME = "reasonseg"
SOURCE = "LISA's repository (dvlab-research/LISA) links to it"
SPLITS = ("val", "test", "train")
IMAGES = {"val": 200, "test": 779}
"""Number of images of each split, as papers report it."""
TARGET, IGNORED = 1, 255


class Texts(StrEnum):
    """Which queries of an image are asked."""

    FIRST = "first"  # as in LISA's evaluation
    ALL = "all"


class Drawing(StrEnum):
    """What draws the polygons."""

    PILLOW = "pillow"
    OPENCV = "opencv"  # as published; its versions differ by some pixels per mask


@datasets.register(NAME, summary="ReasonSeg: implicit queries, with ignored regions")
def load(
    root: Path | None = None,
    *,
    split: str = "val",
    texts: Texts = Texts.FIRST,
    drawing: Drawing = Drawing.PILLOW,
) -> FileDataset:
    """Read ReasonSeg.

    Args:
        root: The folder that holds `val/`, `test/` or `train/`, or that holds `ReasonSeg/`.
        split: `val`, `test` or `train`.
        texts: Which queries of an image are asked.
        drawing: What draws the polygons.

    Raises:
        DataError: If the folder is missing, or an option has another value.
        PrerequisiteError: If OpenCV is asked for and not installed.
    """
    if split not in SPLITS:
        known = ", ".join(SPLITS)
        raise DataError(f"split of ReasonSeg must be one of {known}, but is {split!r}.")
    root = given_or_fetched(root, NAME, "ReasonSeg", SOURCE)
    places = (root / split, root / "ReasonSeg" / split, root / "reason_seg/ReasonSeg" / split)
    folder = next((place for place in places if isdir(place)), None)
    if folder is None:
        raise DataError(f"There is no {places[0]}. ReasonSeg: {SOURCE}.")
    problems: list[Problem] = []
    samples: list[Sample] = []
    files = sorted(folder.glob("*.json"))
    for file in files:
        try:
            samples += _read(file, Texts(texts), Drawing(drawing), problems)
        except DataError as error:
            problems.append(Problem(file, "file", str(error)))
    problems += count_note(folder, split, len(files), IMAGES)
    notes = [f"split {split}", f"polygons drawn by {Drawing(drawing).value}"]
    return FileDataset(NAME, root, samples, problems, notes)


def _read(file: Path, texts: Texts, drawing: Drawing, problems: list[Problem]) -> list[Sample]:
    data = _json(file)
    image = file.with_suffix(".jpg")
    size = image_size(image)
    queries = data.get("text")
    if not isinstance(queries, list) or not queries:
        raise DataError("'text' must be a list of queries.")
    if not all(isinstance(q, str) and q.strip() for q in cast("list[Any]", queries)):
        raise DataError("'text' holds something that is not a text.")
    sentence = data.get("is_sentence")
    if not isinstance(sentence, bool):
        raise DataError(f"'is_sentence' must be true or false, but is {sentence!r}.")
    drawn = draw_shapes(_shapes(data.get("shapes")), size, drawing)
    target, ignored = Mask.from_array(drawn == TARGET), Mask.from_array(drawn == IGNORED)
    if target.is_empty:
        problems.append(Problem(file, "shapes", "no pixel is target.", "warning"))
    asked = cast("list[str]", queries)[: 1 if texts is Texts.FIRST else None]
    return [
        Sample(
            id=file.stem if number == 1 else f"{file.stem}#{number}",
            image=image,
            size=size,
            question=None,
            options=(),
            answer=None,
            expression=text.strip(),
            mask=target,
            tags={"split": file.parent.name, "query": "long" if sentence else "short"},
            ignored=None if ignored.is_empty else ignored,
            group=file.stem,
            query=Query.SENTENCE if sentence else Query.PHRASE,
        )
        for number, text in enumerate(asked, start=1)
    ]


@dataclass(frozen=True, slots=True)
class Shape:
    """One polygon.

    Attributes:
        points: (x, y) in whole pixels.
        value: `TARGET` or `IGNORED`.
    """

    points: tuple[tuple[int, int], ...]
    value: int


def draw_shapes(
    shapes: Sequence[Shape], size: tuple[int, int], drawing: Drawing = Drawing.PILLOW
) -> NDArray[np.uint8]:
    """Draw polygons by falling area, outline and filling; of equal ones the first lies on top.

    Args:
        shapes: The polygons.
        size: (height, width) of the image.
        drawing: What draws them.

    Returns:
        uint8 [height, width]: 0, `TARGET` or `IGNORED`.

    Raises:
        PrerequisiteError: If OpenCV is asked for and not installed.
    """
    draw = _draw_pillow if drawing is Drawing.PILLOW else _draw_opencv
    single = [draw(np.zeros(size, np.uint8), Shape(shape.points, 1)) for shape in shapes]
    areas = [int(mask.sum()) for mask in single]
    canvas = np.zeros(size, np.uint8)
    for place in sorted(range(len(shapes)), key=lambda place: (areas[place], place), reverse=True):
        canvas[single[place] > 0] = shapes[place].value
    return canvas


def _draw_pillow(canvas: NDArray[np.uint8], shape: Shape) -> NDArray[np.uint8]:
    image = Image.fromarray(canvas)
    ImageDraw.Draw(image).polygon(list(shape.points), outline=shape.value, fill=shape.value)
    return np.array(image)


def _draw_opencv(canvas: NDArray[np.uint8], shape: Shape) -> NDArray[np.uint8]:
    try:
        import cv2  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise PrerequisiteError(
            "Drawing polygons as published needs OpenCV, which is not installed. Install it with: "
            "pip install opencv-python-headless"
        ) from error
    opencv: Any = cv2
    points = np.array([shape.points], dtype=np.int32)
    opencv.polylines(canvas, points, True, shape.value, 1)
    opencv.fillPoly(canvas, points, shape.value)
    return canvas


def _shapes(entries: Any) -> list[Shape]:
    if not isinstance(entries, list):
        raise DataError("'shapes' must be a list.")
    shapes: list[Shape] = []
    for number, entry in enumerate(cast("list[Any]", entries)):
        fields = cast("dict[str, Any]", entry) if isinstance(entry, dict) else {}
        label, points = fields.get("label"), fields.get("points")
        if not isinstance(label, str) or not isinstance(points, list) or not points:
            raise DataError(f"shapes[{number}] needs a text 'label' and a list 'points'.")
        if label.lower() == "flag":
            continue
        corners = tuple(_point(number, point) for point in cast("list[Any]", points))
        if len(corners) < 2:
            raise DataError(f"shapes[{number}] has {len(corners)} point; a polygon needs more.")
        shapes.append(Shape(corners, IGNORED if "ignore" in label.lower() else TARGET))
    return shapes


def _point(number: int, point: Any) -> tuple[int, int]:
    values = cast("list[Any]", point) if isinstance(point, list) else []
    numbers = [v for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
    if len(numbers) != 2 or not all(abs(v) <= MAX_COORDINATE for v in numbers):
        raise DataError(f"shapes[{number}] has a point that is not [x, y] in pixels: {point!r}.")
    return int(numbers[0]), int(numbers[1])


def _json(file: Path) -> dict[str, Any]:
    """Read a JSON file in UTF-8, or in the code page 1252 that some of the files have."""
    try:
        raw = file.read_bytes()
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}.") from error
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("cp1252", "replace")
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"is not valid JSON: {error}") from error
    if not isinstance(data, dict):
        raise DataError("must hold an object.")
    return cast("dict[str, Any]", data)
