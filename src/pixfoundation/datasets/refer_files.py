"""Files of the RefCOCO family: references, COCO annotations and the folder of the images.

Layout of the `refer` toolkit: `<root>/<dataset>/refs(<split by>).p` (or `grefs(unc).json`) and
`<root>/<dataset>/instances.json`; the images are COCO's train2014.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, NoReturn, cast

import numpy as np

from pixfoundation.datasets.base import Problem
from pixfoundation.datasets.coco import read_json
from pixfoundation.errors import DataError
from pixfoundation.existence import isdir
from pixfoundation.masks import MAX_PIXELS, Mask, union
from pixfoundation.wording import counted

IMAGE_FOLDERS = (
    "images/mscoco/images/train2014",
    "coco_2014/train2014",
    "coco/train2014",
    "train2014",
    "images/train2014",
    "images",
)
"""Where the published loaders have COCO's train2014, below the folder of the references."""


class Overlaps(StrEnum):
    """What the pixels that several polygons of one object cover are."""

    UNION = "union"  # part of the object
    LISA = "lisa"  # background: LISA's loader adds polygons up, and pixels above 1 match nothing


@dataclass(frozen=True, slots=True)
class ReferImage:
    """One image of `instances.json`.

    Attributes:
        id: Its id.
        path: Its file.
        size: (height, width) in pixels.
    """

    id: int
    path: Path
    size: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Instance:
    """One annotation of `instances.json`.

    Attributes:
        image: Id of its image.
        segmentation: Polygons or run lengths as in the file.
        crowd: Whether it stands for a crowd.
        category: Name of its category; empty if the file names none.
    """

    image: int
    segmentation: Any
    crowd: bool
    category: str


class Instances:
    """The images and annotations of one `instances.json`.

    Attributes:
        path: The file.
        images: The images by id.
        annotations: The annotations by id.
        overlapping: Number of decoded annotations whose polygons overlap each other.
    """

    def __init__(self, path: Path, images: Path, overlaps: Overlaps) -> None:
        """Read the file.

        Args:
            path: The file.
            images: Folder of the images.
            overlaps: What pixels of several polygons are.

        Raises:
            DataError: If the file is missing or not in the COCO layout.
        """
        data = read_json(path)
        if not isinstance(data, dict):
            raise DataError(f"{path} is not a COCO file: it holds no object.")
        fields = cast("dict[str, Any]", data)
        self.path = path
        self.overlapping = 0
        self._overlaps = overlaps
        self._masks: dict[tuple[int, ...], Mask] = {}
        names = {
            entry["id"]: str(entry.get("name", ""))
            for entry in _entries(path, fields, "categories", ())
            if isinstance(entry.get("id"), int)
        }
        self.images: dict[int, ReferImage] = {}
        for entry in _entries(path, fields, "images", ("id", "file_name", "height", "width")):
            size = (_side(path, entry, "height"), _side(path, entry, "width"))
            if size[0] * size[1] > MAX_PIXELS:
                raise DataError(f"{path}: image {entry['id']} is larger than any image.")
            name = Path(str(entry["file_name"])).name
            self.images[entry["id"]] = ReferImage(entry["id"], images / name, size)
        self.annotations: dict[int, Instance] = {
            entry["id"]: Instance(
                entry["image_id"],
                entry["segmentation"],
                bool(entry.get("iscrowd")),
                names.get(category, "") if isinstance(category, int) else "",
            )
            for entry in _entries(path, fields, "annotations", ("id", "image_id", "segmentation"))
            for category in (entry.get("category_id"),)
        }

    def mask(self, ids: Sequence[int]) -> Mask:
        """Return the union of annotations of one image.

        Args:
            ids: Ids of the annotations.

        Raises:
            DataError: If an annotation is missing or damaged.
        """
        key = tuple(ids)
        if key not in self._masks:
            self._masks[key] = union([self._decode(id) for id in ids])
        return self._masks[key]

    def image_of(self, id: Any) -> ReferImage:
        """Return an image.

        Raises:
            DataError: If there is no such image.
        """
        if not isinstance(id, int) or id not in self.images:
            raise DataError(f"there is no image {id!r} in {self.path.name}.")
        return self.images[id]

    def _decode(self, id: int) -> Mask:
        if id not in self.annotations:
            raise DataError(f"there is no annotation {id!r} in {self.path.name}.")
        instance = self.annotations[id]
        size = self.image_of(instance.image).size
        if isinstance(instance.segmentation, dict):
            mask = Mask.from_rle(cast("dict[str, Any]", instance.segmentation))
            if mask.size != size:
                raise DataError(
                    f"annotation {id} is {mask.size[0]} x {mask.size[1]}, its image {size[0]} x "
                    f"{size[1]} (height x width)."
                )
            return mask
        if not isinstance(instance.segmentation, list):
            raise DataError(f"annotation {id} holds neither polygons nor run lengths.")
        polygons = cast("list[Any]", instance.segmentation)
        drawn = [
            Mask.from_polygons([polygon], size)
            for polygon in polygons
            if isinstance(polygon, list) and len(cast("list[Any]", polygon)) >= 6
        ]
        if not drawn:
            return Mask.empty(size)
        whole = union(drawn)
        if sum(mask.area for mask in drawn) == whole.area:
            return whole
        self.overlapping += 1
        if self._overlaps is Overlaps.UNION:
            return whole
        covered = np.sum([mask.decode() for mask in drawn], axis=0)
        return Mask.from_array(covered == 1)


def read_refs(path: Path) -> list[dict[str, Any]]:
    """Read the references of a `.json` file or of a pickle; nothing of a pickle is executed.

    A pickle may hold lists, dictionaries, texts and numbers only.

    Raises:
        DataError: If the file is missing, damaged, or holds anything else.
    """
    if path.suffix == ".json":
        data = read_json(path)
    else:
        try:
            data = _PlainUnpickler(io.BytesIO(path.read_bytes()), encoding="utf-8").load()
        except FileNotFoundError as error:
            raise DataError(f"There is no {path}.") from error
        except DataError as error:
            raise DataError(f"{path}: {error}") from error
        except Exception as error:  # a damaged pickle can fail in any way
            raise DataError(
                f"{path} cannot be read as a pickle ({type(error).__name__}): it is truncated or "
                "damaged. Download it again."
            ) from error
    if not isinstance(data, list) or not all(
        isinstance(entry, dict) for entry in cast("list[Any]", data)
    ):
        raise DataError(f"{path} must hold a list of references.")
    return cast("list[dict[str, Any]]", data)


class _PlainUnpickler(pickle.Unpickler):
    """Reads containers, texts and numbers; a name of a class or function is refused."""

    def find_class(self, module: str, name: str) -> NoReturn:
        raise DataError(
            f"the pickle asks for {module}.{name}. References hold lists, dictionaries, texts and "
            "numbers only; a file that asks for more could run code, and is not read."
        )


def find_images(root: Path, images: Path | None) -> Path:
    """Return the folder of COCO's train2014.

    Args:
        root: The folder of the references.
        images: The folder that the caller named, from `root` or absolute; None to look for it.
    """
    if images is not None:
        return root / images
    for folder in (root, root.parent):
        for place in IMAGE_FOLDERS:
            if isdir(folder / place):
                return folder / place
    return root / IMAGE_FOLDERS[0]


def sentences_of(path: Path, ref: Mapping[str, Any], number: int) -> list[tuple[str, str]]:
    """Return the ids and texts of the sentences of a reference.

    Raises:
        DataError: If a sentence has no id or no text.
    """
    sentences = ref.get("sentences")
    if not isinstance(sentences, list) or not sentences:
        raise DataError("has no 'sentences'.")
    texts: list[tuple[str, str]] = []
    for sentence in cast("list[Any]", sentences):
        fields = cast("dict[str, Any]", sentence) if isinstance(sentence, dict) else {}
        id, text = fields.get("sent_id"), fields.get("sent")
        if not isinstance(id, int) or not isinstance(text, str) or not text.strip():
            raise DataError("has a sentence without a number 'sent_id' or a text 'sent'.")
        texts.append((str(id), text.strip()))
    return texts


def count_note(file: Path, split: str, count: int, expected: Mapping[str, int]) -> list[Problem]:
    """Return a warning if a split holds another number of expressions than papers report."""
    if split not in expected or count == expected[split]:
        return []
    message = f"holds {counted(count, 'expression')}; papers report {expected[split]}."
    return [Problem(file, f"split {split}", message, "warning")]


def _entries(
    path: Path, data: Mapping[str, Any], key: str, fields: Sequence[str]
) -> list[dict[str, Any]]:
    """Return the objects of a list in a COCO file; those without the fields are an error."""
    entries = data.get(key, [] if not fields else None)
    if not isinstance(entries, list):
        raise DataError(f"{path} is not a COCO file: it has no list {key!r}.")
    for number, entry in enumerate(cast("list[Any]", entries)):
        ids = [name for name in fields if name in ("id", "image_id")]
        if not isinstance(entry, dict) or any(name not in entry for name in fields):
            raise DataError(f"{path}: {key}[{number}] needs {', '.join(map(repr, fields))}.")
        if any(type(cast("dict[str, Any]", entry)[name]) is not int for name in ids):
            raise DataError(f"{path}: {key}[{number}]: {' and '.join(ids)} must be whole numbers.")
    return cast("list[dict[str, Any]]", entries)


def _side(path: Path, entry: Mapping[str, Any], name: str) -> int:
    value = entry[name]
    if type(value) is not int or not 1 <= value <= MAX_PIXELS:
        raise DataError(f"{path}: image {entry['id']}: {name} must be a number of pixels.")
    return value
