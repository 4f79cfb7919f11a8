"""VistaQA: free answers with masks of their evidence, some without any.

Data: arXiv 2605.20676; `vista26/VistaQA` on the hub. Layout, as public code reads it:

```
annotations/<id>.json     images/<file name>
```
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, cast

from pixfoundation.datasets.base import datasets
from pixfoundation.datasets.coco import decode_segmentation, read_json
from pixfoundation.datasets.entries import (
    collect_entries,
    read_object,
    read_size,
    read_text_field,
)
from pixfoundation.datasets.files import FileDataset
from pixfoundation.datasets.places import given_or_fetched
from pixfoundation.errors import DataError
from pixfoundation.masks import Mask, union
from pixfoundation.types import Sample

EXPECTED = 1157
"""Number of samples, as the paper reports it."""


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
    entries = ((file, "file", partial(_sample, root, file)) for file in files)
    return collect_entries("vistaqa", root, entries, EXPECTED)


def _sample(root: Path, file: Path) -> Sample:
    data = read_object(read_json(file), "the file")
    image = read_object(data.get("image"), "'image'")
    path = root / "images" / Path(read_text_field(image, "file_name")).name
    size = read_size(image)
    annotations = data.get("annotations")
    if not isinstance(annotations, list):
        raise DataError("'annotations' must be a list.")
    parts = tuple(
        decode_segmentation(read_object(entry, "an annotation").get("segmentation"), size)
        for entry in cast("list[Any]", annotations)
    )
    return Sample(
        id=file.stem,
        image=path,
        size=size,
        question=read_text_field(data, "question"),
        options=(),
        answer=None,
        expression=None,
        mask=union(parts) if parts else Mask.empty(size),
        parts=parts or (Mask.empty(size),),
        references=(read_text_field(data, "answer"),),
        tags={
            name: str(data[name])
            for name in ("task_type", "task_domain", "hallucination")
            if name in data
        },
    )


def _by_number(file: Path) -> tuple[int, str]:
    stem = file.stem
    return (int(stem), "") if stem.isdecimal() and len(stem) < 19 else (-1, stem)
