"""COCO annotation files: read, checked entry by entry, and decoded.

An entry that cannot be used becomes a `Problem` that names its file and entry; the other entries
are still read.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pixfoundation.datasets.base import Problem
from pixfoundation.datasets.polygons import draw_polygons
from pixfoundation.errors import DataError
from pixfoundation.masks import MAX_PIXELS, Mask


@dataclass(frozen=True, slots=True)
class ImageEntry:
    """One entry of `images`.

    Attributes:
        id: Id of the image, unique in the file.
        file_name: File name as written in the entry, without leading slashes.
        size: (height, width) if the entry gives it, else None.
    """

    id: int
    file_name: str
    size: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class Annotation:
    """One entry of `annotations`.

    Attributes:
        entry: Name of the entry in messages.
        segmentation: Polygons or a run-length dictionary, not yet decoded.
    """

    entry: str
    segmentation: Any

    @property
    def own_size(self) -> tuple[int, int] | None:
        """The (height, width) of a run-length encoding; None for polygons or a damaged encoding."""
        size = self.segmentation.get("size") if isinstance(self.segmentation, dict) else None
        if not isinstance(size, list) or len(size) != 2:
            return None
        return _size(size[1], size[0])

    def decode(self, size: tuple[int, int], notes: list[str] | None = None) -> Mask:
        """Return the mask; polygons are drawn at `size`, run lengths keep their own size.

        Args:
            size: (height, width) of the image.
            notes: List to which sentences about odd polygons are appended.

        Raises:
            DataError: If the segmentation is damaged or in none of the three COCO formats.
        """
        return decode_segmentation(self.segmentation, size, notes)


@dataclass(frozen=True, slots=True)
class AnnotationFile:
    """The readable part of one annotation file.

    Attributes:
        path: The file.
        images: Image entries by id, in the order of the file.
        annotations: Annotations by image id.
        problems: Every error and oddity of the file.
    """

    path: Path
    images: dict[int, ImageEntry]
    annotations: dict[int, list[Annotation]]
    problems: list[Problem] = field(default_factory=list)


def decode_segmentation(
    segmentation: Any, size: tuple[int, int], notes: list[str] | None = None
) -> Mask:
    """Decode polygons, run lengths, or compressed run lengths, which may be wrapped in base64.

    Args:
        segmentation: The value of an annotation's `segmentation`.
        size: (height, width) at which polygons are drawn.
        notes: List to which sentences about odd polygons are appended.

    Returns:
        The mask; without foreground only if a note says why, or the run lengths hold none.

    Raises:
        DataError: If the segmentation is damaged, in none of these formats, or not in pixels.
    """
    if isinstance(segmentation, dict):
        return Mask.from_rle(segmentation)
    if isinstance(segmentation, list) and all(isinstance(p, list) for p in segmentation):
        if not segmentation:
            raise DataError("The list of polygons is empty.")
        return draw_polygons(segmentation, size, [] if notes is None else notes)
    raise DataError(
        f"A segmentation is a list of polygons or a run-length dictionary, but this is "
        f"{_shown(segmentation)}."
    )


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        DataError: If the file is missing, unreadable or not JSON.
    """
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise DataError(f"There is no {path}.") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is not valid JSON: {error}") from error


def read_annotations(path: Path) -> AnnotationFile:
    """Read all usable entries of an annotation file.

    Raises:
        DataError: If the file is missing, not JSON, or not in the COCO layout.
    """
    data = read_json(path)
    if not isinstance(data, dict):
        raise DataError(f"{path} is not a COCO file: it must hold an object, not {_shown(data)}.")
    for key in ("images", "annotations"):
        if not isinstance(data.get(key), list):
            raise DataError(f"{path} is not a COCO file: it has no list {key!r}.")
    problems: list[Problem] = []
    images = _read_images(path, data["images"], problems)
    annotations = _read_annotations(path, data["annotations"], images, problems)
    return AnnotationFile(path, images, annotations, problems)


def _read_images(path: Path, entries: list[Any], problems: list[Problem]) -> dict[int, ImageEntry]:
    images: dict[int, ImageEntry] = {}
    for position, entry in enumerate(entries):
        name = f"images[{position}]"
        id = _whole(entry.get("id")) if isinstance(entry, dict) else None
        if id is None or not isinstance(entry.get("file_name"), str) or not entry["file_name"]:
            problems.append(Problem(path, name, "needs a whole number 'id' and a 'file_name'."))
            continue
        if id in images:
            problems.append(Problem(path, name, f"the image id {id} occurs twice; skipped."))
            continue
        size = None
        if "width" in entry or "height" in entry:
            size = _size(entry.get("width"), entry.get("height"))
            if size is None:
                problems.append(
                    Problem(path, f"{name} (id {id})", "width and height are not an image's size.")
                )
        images[id] = ImageEntry(id, entry["file_name"].lstrip("/"), size)
    return images


def _read_annotations(
    path: Path, entries: list[Any], images: dict[int, ImageEntry], problems: list[Problem]
) -> dict[int, list[Annotation]]:
    annotations: dict[int, list[Annotation]] = {id: [] for id in images}
    ids: Counter[Any] = Counter()
    seen: set[tuple[int, str]] = set()
    for position, entry in enumerate(entries):
        name = f"annotations[{position}]"
        if not isinstance(entry, dict):
            problems.append(Problem(path, name, f"is {_shown(entry)}, not an object."))
            continue
        if (own := _whole(entry.get("id"))) is not None:
            ids[own] += 1
        image = _whole(entry.get("image_id"))
        if image is None or image not in images:
            problems.append(
                Problem(
                    path, name, f"is of image {_shown(entry.get('image_id'))}, which is unknown."
                )
            )
            continue
        name = f"{name} (image {image})"
        if "segmentation" not in entry:
            problems.append(Problem(path, name, "has no 'segmentation'."))
            continue
        key = (image, json.dumps(entry["segmentation"], sort_keys=True))
        if key in seen:
            problems.append(
                Problem(path, name, "repeats an annotation of the same image.", "warning")
            )
        seen.add(key)
        annotations[image].append(Annotation(name, entry["segmentation"]))
    for id, times in ids.items():
        if times > 1:
            problems.append(
                Problem(path, f"annotation id {id}", f"is used {times} times.", "warning")
            )
    return annotations


def _size(width: Any, height: Any) -> tuple[int, int] | None:
    w, h = _whole(width), _whole(height)
    if w is None or h is None or w < 1 or h < 1 or w * h > MAX_PIXELS:
        return None
    return (h, w)


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
