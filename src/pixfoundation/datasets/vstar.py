"""V*: small objects in large images, with their boxes.

Data: Wu and Xie, V* (CVPR 2024); `craigwu/vstar_bench` on the hub. Layout, as the authors'
evaluation reads it (penghao-wu/vstar):

```
direct_attributes/<image>.jpg with <image>.json     the same in relative_position/
```
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from pixfoundation.datasets.base import datasets
from pixfoundation.datasets.coco import read_json
from pixfoundation.datasets.entries import (
    collect_entries,
    read_box,
    read_list,
    read_object,
    read_text_field,
    read_texts,
)
from pixfoundation.datasets.files import FileDataset
from pixfoundation.datasets.places import given_or_fetched
from pixfoundation.errors import DataError
from pixfoundation.existence import exists
from pixfoundation.images import image_size
from pixfoundation.masks import Mask, union
from pixfoundation.types import LETTERS, Sample

EXPECTED = 191
"""Number of samples, as the paper reports it."""


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
    entries = ((file, "file", partial(_sample, file)) for file in files)
    return collect_entries("vstar", root, entries, EXPECTED)


def _sample(file: Path) -> Sample:
    data = read_object(read_json(file), "the file")
    images = [file.with_suffix(suffix) for suffix in (".jpg", ".jpeg", ".png")]
    image = next((path for path in images if exists(path)), images[0])
    size = image_size(image)
    options = read_texts(data, "options")
    if len(options) > len(LETTERS):
        raise DataError(f"'options' has {len(options)} texts, more than there are letters.")
    right, shown = options[0], tuple(sorted(options))
    boxes = tuple(read_box(value) for value in read_list(data, "bbox"))
    parts = tuple(Mask.from_box(box, size) for box in boxes)
    names = read_texts(data, "target_object")
    return Sample(
        id=f"{file.parent.name}-{file.stem}",
        image=image,
        size=size,
        question=read_text_field(data, "question"),
        options=shown,
        answer=LETTERS[shown.index(right)],
        expression=" and ".join(names),
        mask=union(parts),
        parts=parts,
        boxes=boxes,
        tags={"task": file.parent.name},
    )
