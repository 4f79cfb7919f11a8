"""Datasets of users: a folder with images and one JSON Lines file.

```
mydata/samples.jsonl      one line per sample
mydata/...                images and masks, at the paths that the lines give
```

Each line holds `image` (a path from the folder) and any of: `id` (the line's number if absent),
`question`, `options` (a list of texts), `answer` (a letter or one of the texts), `expression`,
`mask`, `pair` (an id that two samples share), `tags` (an object of texts), `prompt` (the wording of
protocol 1). `mask` is a COCO run-length dictionary, a list of polygons, the path of a mask image
(every pixel other than 0 is inside), or a list of these, which are united; absent or null where the
expression names nothing in the image.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from pixfoundation.datasets.base import Problem, datasets
from pixfoundation.datasets.coco import decode_segmentation
from pixfoundation.datasets.files import FileDataset, answer_letter
from pixfoundation.errors import DataError
from pixfoundation.images import image_size, load_image
from pixfoundation.masks import Mask, union
from pixfoundation.types import LETTERS, Sample

NAME = "folder"
FILE = "samples.jsonl"
FIELDS = frozenset(
    {"id", "image", "question", "options", "answer", "expression", "mask", "pair", "tags", "prompt"}
)


@datasets.register("folder", summary="your own images with one JSON Lines file; needs --data-root")
def load(root: Path | None = None, *, name: str = NAME) -> FileDataset:
    """Read a folder with `samples.jsonl`.

    Args:
        root: The folder with `samples.jsonl`.
        name: Name of the dataset in tables.

    Raises:
        DataError: If the folder or the file is missing or unreadable.
    """
    if root is None:
        raise DataError(f"The dataset 'folder' needs `root`, the folder that holds {FILE}.")
    file = Path(root) / FILE
    problems: list[Problem] = []
    samples: dict[str, Sample] = {}
    for number, line in _lines(file):
        entry = f"line {number}"
        try:
            sample = _sample(Path(root), number, line)
        except DataError as error:
            problems.append(Problem(file, entry, str(error)))
            continue
        if sample.id in samples:
            problems.append(Problem(file, entry, f"the id {sample.id!r} occurs twice."))
            continue
        samples[sample.id] = sample
    problems += _check_pairs(file, list(samples.values()))
    return FileDataset(name, Path(root), list(samples.values()), problems)


def _lines(file: Path) -> Iterator[tuple[int, str]]:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise DataError(f"There is no {file}. docs/data.md describes its content.") from error
    except (OSError, ValueError) as error:
        raise DataError(f"{file} cannot be read as text: {error}") from error
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield number, line


def _sample(root: Path, number: int, line: str) -> Sample:
    try:
        data = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataError(f"is not valid JSON: {error}") from error
    if not isinstance(data, dict):
        raise DataError("is not a JSON object.")
    if unknown := sorted(data.keys() - FIELDS):
        raise DataError(f"has unknown fields: {', '.join(unknown)}.")
    path = root / _text(data, "image", required=True)
    size = image_size(path)
    options = data.get("options") or []
    if not isinstance(options, list) or not all(isinstance(o, str) and o for o in options):
        raise DataError("'options' is a list of texts.")
    tags = data.get("tags") or {}
    if not isinstance(tags, dict) or not all(isinstance(v, str) for v in tags.values()):
        raise DataError("'tags' is an object whose values are texts.")
    encoded = data.get("mask")
    parts = tuple(_masks(root, encoded, size)) if encoded is not None else ()
    for part in parts:
        if part.size != size:
            raise DataError(
                f"a mask is {part.size[0]} x {part.size[1]}, the image {size[0]} x {size[1]} "
                "(height x width)."
            )
    answer = _text(data, "answer")
    question = _text(data, "question")
    if question and answer and not options:
        raise DataError("a question with an answer needs 'options'.")
    return Sample(
        id=_id(data.get("id"), number),
        image=path,
        size=size,
        question=question or None,
        options=tuple(options),
        answer=_letter(answer, options) if answer else None,
        expression=_text(data, "expression") or None,
        mask=union(parts) if parts else Mask.empty(size),
        parts=parts,
        pair=_id(data["pair"], number) if data.get("pair") is not None else None,
        tags=tags,
        prompt=_text(data, "prompt") or None,
    )


def _masks(root: Path, encoded: Any, size: tuple[int, int]) -> Iterator[Mask]:
    if isinstance(encoded, str):
        with load_image(root / encoded) as image:
            yield Mask.from_array(np.asarray(image).any(axis=2))
    elif isinstance(encoded, list) and encoded and not _are_polygons(encoded):
        for part in encoded:
            yield from _masks(root, part, size)
    else:
        yield decode_segmentation(encoded, size)


def _are_polygons(encoded: list[Any]) -> bool:
    """Whether a list holds flat lists of numbers only."""
    return all(isinstance(p, list) and all(isinstance(v, (int, float)) for v in p) for p in encoded)


def _letter(answer: str, options: list[str]) -> str:
    if answer in options:
        return LETTERS[options.index(answer)]
    return answer_letter(answer, options)


def _text(data: dict[str, Any], key: str, required: bool = False) -> str:
    value = data.get(key)
    if value is None and not required:
        return ""
    if not isinstance(value, str) or (required and not value.strip()):
        raise DataError(f"{key!r} is a text, but this is {value!r}.")
    return value.strip()


def _id(value: Any, number: int) -> str:
    if value is None:
        return str(number)
    if isinstance(value, bool) or not isinstance(value, (str, int)) or value == "":
        raise DataError(f"an id is a text or a whole number, but this is {value!r}.")
    return str(value)


def _check_pairs(file: Path, samples: list[Sample]) -> Iterator[Problem]:
    members: dict[str, list[str]] = {}
    for sample in samples:
        if sample.pair is not None:
            members.setdefault(sample.pair, []).append(sample.id)
    for pair, ids in members.items():
        if len(ids) != 2:
            yield Problem(
                file, f"pair {pair}", f"has {len(ids)} samples: {', '.join(ids)}.", "warning"
            )
