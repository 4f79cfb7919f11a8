"""Datasets that pair a question with its visual evidence: VistaQA, VizWiz-VQA-Grounding, V*.

Layouts:

```
vistaqa              annotations/<id>.json     images/<file name>
vizwiz-grounding     val_grounding.json        val/<image>.jpg     binary_masks_png/val/<image>.png
vstar                direct_attributes/<image>.jpg with <image>.json     relative_position/...
multihopspatial      data/multihop_test_4500.json     data/images/<image>
```

Sources of the layouts: public code that reads them, the authors' own for V* (penghao-wu/vstar) and
MultihopSpatial (youngwanLEE/multihopspatial).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any, cast

from pixfoundation.datasets.base import Problem, datasets
from pixfoundation.datasets.coco import decode_segmentation, read_json
from pixfoundation.datasets.files import FileDataset, split_options
from pixfoundation.datasets.mask_images import read_mask_image
from pixfoundation.datasets.places import given_or_fetched
from pixfoundation.errors import DataError
from pixfoundation.images import image_size
from pixfoundation.masks import MAX_COORDINATE, MAX_PIXELS, Mask, union
from pixfoundation.metrics import Box
from pixfoundation.types import LETTERS, Sample

Entry = dict[str, Any]
SAMPLES = {"vistaqa": 1157, "vstar": 191, "multihopspatial": 4500}
"""Number of samples, as papers report it."""
_CHOICES = re.compile(r"<choice>(.*?)</choice>", re.DOTALL)
_TAGS = re.compile(r"</?(?:ATT|POS|REL)>")


class Split(StrEnum):
    """The splits of VizWiz-VQA-Grounding that have annotations."""

    VAL = "val"
    TRAIN = "train"


@datasets.register("vistaqa", summary="VistaQA: free answers with masks of their evidence")
def load_vistaqa(root: Path | None = None) -> FileDataset:
    """Read VistaQA.

    Args:
        root: The folder that holds `annotations/` and `images/`.

    Raises:
        DataError: If the folder is missing or holds no annotations.
    """
    root = given_or_fetched(root, "vistaqa", "VistaQA", "the hub has it as vista26/VistaQA")
    files = sorted((root / "annotations").glob("*.json"), key=_by_number)
    if not files:
        raise DataError(f"There is no {root / 'annotations'} with <id>.json files.")
    entries = ((file, "file", _object(read_json(file), file.name)) for file in files)
    return _collect("vistaqa", root, entries, lambda file, _, data: _vistaqa(root, file, data))


def _vistaqa(root: Path, file: Path, data: Entry) -> Sample:
    image = _object(data.get("image"), "'image'")
    path = root / "images" / Path(_text(image, "file_name")).name
    size = _size(image)
    annotations = data.get("annotations")
    if not isinstance(annotations, list):
        raise DataError("'annotations' must be a list.")
    parts = tuple(
        decode_segmentation(_object(entry, "an annotation").get("segmentation"), size)
        for entry in cast("list[Any]", annotations)
    )
    return Sample(
        id=file.stem,
        image=path,
        size=size,
        question=_text(data, "question"),
        options=(),
        answer=None,
        expression=None,
        mask=union(parts) if parts else Mask.empty(size),
        parts=parts or (Mask.empty(size),),
        references=(_text(data, "answer"),),
        tags={
            name: str(data[name])
            for name in ("task_type", "task_domain", "hallucination")
            if name in data
        },
    )


@datasets.register("vizwiz-grounding", summary="VizWiz-VQA-Grounding: answers with their masks")
def load_vizwiz(root: Path | None = None, *, split: Split = Split.VAL) -> FileDataset:
    """Read VizWiz-VQA-Grounding.

    Args:
        root: The folder that holds `val_grounding.json`, `val/` and `binary_masks_png/`.
        split: `val` or `train`; the test split has no public masks.

    Raises:
        DataError: If the folder or the file is missing.
    """
    source = "vizwiz.org offers it as the Answer Grounding dataset"
    root = given_or_fetched(root, "vizwiz-grounding", "VizWiz-VQA-Grounding", source)
    file = root / f"{Split(split).value}_grounding.json"
    data = _object(read_json(file), file.name)
    entries = ((file, name, _object(value, name)) for name, value in data.items())
    return _collect(
        "vizwiz-grounding",
        root,
        entries,
        lambda _, name, data: _vizwiz(root, Split(split), Path(name).name, data),
    )


def _vizwiz(root: Path, split: Split, name: str, data: Entry) -> Sample:
    image = root / split.value / name
    size = image_size(image)
    read = read_mask_image(root / "binary_masks_png" / split.value / f"{Path(name).stem}.png")
    mask = Mask.from_array(read.foreground)
    return Sample(
        id=Path(name).stem,
        image=image,
        size=size,
        question=_text(data, "question"),
        options=(),
        answer=None,
        expression=None,
        mask=mask,
        parts=(mask,),
        references=(_text(data, "most_common_answer"),),
        tags={"split": split.value},
    )


@datasets.register("vstar", summary="V*: small objects in large images, with their boxes")
def load_vstar(root: Path | None = None) -> FileDataset:
    """Read V*.

    The right option is the first in the file. Options are shown in the order of their texts, so
    that the place of the right one tells nothing.

    Args:
        root: The folder that holds `direct_attributes/` and `relative_position/`.

    Raises:
        DataError: If the folder is missing or holds no annotations.
    """
    root = given_or_fetched(root, "vstar", "V*", "the hub has it as craigwu/vstar_bench")
    kinds = ("direct_attributes", "relative_position")
    files = [file for kind in kinds for file in sorted((root / kind).glob("*.json"))]
    if not files:
        raise DataError(f"There is no {root / kinds[0]} with <image>.json files.")
    entries = ((file, "file", _object(read_json(file), file.name)) for file in files)
    return _collect("vstar", root, entries, lambda file, _, data: _vstar(file, data))


def _vstar(file: Path, data: Entry) -> Sample:
    images = [file.with_suffix(suffix) for suffix in (".jpg", ".jpeg", ".png")]
    image = next((path for path in images if path.exists()), images[0])
    size = image_size(image)
    options = _texts(data, "options")
    if len(options) > len(LETTERS):
        raise DataError(f"'options' has {len(options)} texts, more than there are letters.")
    right, shown = options[0], tuple(sorted(options))
    boxes = tuple(_box(value) for value in _list(data, "bbox"))
    names = _texts(data, "target_object")
    return Sample(
        id=f"{file.parent.name}-{file.stem}",
        image=image,
        size=size,
        question=_text(data, "question"),
        options=shown,
        answer=LETTERS[shown.index(right)],
        expression=" and ".join(names),
        mask=_filled(boxes, size),
        parts=tuple(Mask.from_box(box, size) for box in boxes),
        boxes=boxes,
        tags={"task": file.parent.name},
    )


@datasets.register("multihopspatial", summary="MultihopSpatial: a choice and the box of its object")
def load_multihopspatial(root: Path | None = None) -> FileDataset:
    """Read MultihopSpatial.

    The box is that of the object that the right option names; the published figure Acc@50IoU counts
    a question whose choice is right and whose box has an IoU of at least 0.5.

    Args:
        root: The folder that holds `data/multihop_test_4500.json` and `data/images/`.

    Raises:
        DataError: If the folder or the file is missing or not a list.
    """
    source = "the hub has it as etri-vilab/MultihopSpatial"
    root = given_or_fetched(root, "multihopspatial", "MultihopSpatial", source)
    file = root / "data" / "multihop_test_4500.json"
    data = read_json(file)
    if not isinstance(data, list):
        raise DataError(f"{file} must hold a list.")
    rows = cast("list[Any]", data)
    entries = ((file, f"[{n}]", _object(row, f"[{n}]")) for n, row in enumerate(rows))
    images = root / "data" / "images"
    return _collect("multihopspatial", root, entries, lambda _file, _, row: _multihop(images, row))


def _multihop(images: Path, data: Entry) -> Sample:
    image = images / _text(data, "image_path").lstrip("/\\")
    size = image_size(image)
    text = _TAGS.sub("", _text(data, "question"))
    match = _CHOICES.search(text)
    if match is None:
        raise DataError("'question' has no <choice>...</choice>.")
    options = split_options(match[1])
    right = re.match(r"\s*\(([a-z])\)", _text(data, "answer"), re.IGNORECASE)
    if right is None or right[1].lower() not in LETTERS[: len(options)]:
        raise DataError(f"'answer' is no option: {data['answer']!r}.")
    box = _box(data.get("bbox"))
    mask = Mask.from_box(box, size)
    identifier = data.get("id")
    if not isinstance(identifier, int | str) or isinstance(identifier, bool):
        raise DataError(f"'id' must be a number or a text, but is {identifier!r}.")
    return Sample(
        id=str(identifier),
        image=image,
        size=size,
        question=" ".join(text[: match.start()].split()),
        options=options,
        answer=right[1].lower(),
        expression=None,
        mask=mask,
        parts=(mask,),
        boxes=(box,),
        tags={name: str(data[name]) for name in ("hop", "view") if data.get(name)},
    )


# ---- common ------------------------------------------------------------------------------------


def _collect(
    name: str,
    root: Path,
    entries: Iterator[tuple[Path, str, Entry]],
    read: Callable[[Path, str, Entry], Sample],
) -> FileDataset:
    """Read every entry; one that cannot be used becomes a problem with its file and name.

    Args:
        name: Name of the dataset.
        root: Its folder.
        entries: File, name and content of each entry.
        read: Makes a sample of a file, the name of an entry and its content.
    """
    samples: dict[str, Sample] = {}
    problems: list[Problem] = []
    for file, entry, data in entries:
        try:
            sample = read(file, entry, data)
        except DataError as error:
            problems.append(Problem(file, entry, str(error)))
            continue
        if sample.id in samples:
            problems.append(Problem(file, entry, f"the id {sample.id!r} occurs twice."))
            continue
        samples[sample.id] = sample
    expected = SAMPLES.get(name)
    if expected is not None and len(samples) != expected:
        message = f"holds {len(samples)} samples; papers report {expected}."
        problems.append(Problem(root, "samples", message, "warning"))
    return FileDataset(name, root, list(samples.values()), problems)


def _by_number(file: Path) -> tuple[int, str]:
    stem = file.stem
    return (int(stem), "") if stem.isdecimal() and len(stem) < 19 else (-1, stem)


def _object(value: Any, what: str) -> Entry:
    if not isinstance(value, dict):
        raise DataError(f"{what} must be an object.")
    return cast("Entry", value)


def _text(data: Entry, name: str) -> str:
    value = data.get(name)
    if not isinstance(value, str) or not value.strip():
        raise DataError(f"{name!r} must be a text, but is {value!r}.")
    return value.strip()


def _list(data: Entry, name: str) -> list[Any]:
    value = data.get(name)
    if not isinstance(value, list) or not value:
        raise DataError(f"{name!r} must be a list, but is {value!r}.")
    return cast("list[Any]", value)


def _texts(data: Entry, name: str) -> list[str]:
    values = _list(data, name)
    if not all(isinstance(value, str) and value.strip() for value in values):
        raise DataError(f"{name!r} must be a list of texts.")
    return [str(value).strip() for value in values]


def _size(image: Entry) -> tuple[int, int]:
    height, width = image.get("height"), image.get("width")
    if (
        type(height) is not int
        or type(width) is not int
        or min(height, width) < 1
        or height * width > MAX_PIXELS
    ):
        raise DataError(f"'height' and 'width' must be numbers of pixels: {height!r}, {width!r}.")
    return (height, width)


def _box(value: Any) -> Box:
    """Read [x, y, width, height] as (x0, y0, x1, y1)."""
    numbers = cast("list[Any]", value) if isinstance(value, list) else []
    known = [n for n in numbers if type(n) in (int, float) and abs(n) <= MAX_COORDINATE]
    if len(known) != 4 or len(numbers) != 4 or known[2] <= 0 or known[3] <= 0:
        raise DataError(f"a box is [x, y, width, height] in pixels, but this is {value!r}.")
    x, y, width, height = (float(n) for n in known)
    return (x, y, x + width, y + height)


def _filled(boxes: Sequence[Box], size: tuple[int, int]) -> Mask:
    return union([Mask.from_box(box, size) for box in boxes])
