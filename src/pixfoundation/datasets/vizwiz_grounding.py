"""VizWiz-VQA-Grounding: questions of blind people, with the mask of what their answer rests on.

Data: Chen et al. (CVPR 2022). Layout, as public code reads it:

```
val_grounding.json     val/<image>.jpg     binary_masks_png/val/<image>.png     the same for train
```
"""

from __future__ import annotations

from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any

from pixfoundation.datasets.base import datasets
from pixfoundation.datasets.coco import read_json
from pixfoundation.datasets.entries import collect_entries, read_object, read_text_field
from pixfoundation.datasets.files import FileDataset
from pixfoundation.datasets.mask_images import read_mask_image
from pixfoundation.datasets.places import given_or_fetched
from pixfoundation.images import image_size
from pixfoundation.masks import Mask
from pixfoundation.types import Sample


class Split(StrEnum):
    """The splits of VizWiz-VQA-Grounding that have annotations."""

    VAL = "val"
    TRAIN = "train"


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
    data = read_object(read_json(file), file.name)
    entries = (
        (file, name, partial(_sample, root, Split(split), Path(name).name, value))
        for name, value in data.items()
    )
    return collect_entries("vizwiz-grounding", root, entries)


def _sample(root: Path, split: Split, name: str, value: Any) -> Sample:
    data = read_object(value, "the entry")
    image = root / split.value / name
    size = image_size(image)
    read = read_mask_image(root / "binary_masks_png" / split.value / f"{Path(name).stem}.png")
    mask = Mask.from_array(read.foreground)
    return Sample(
        id=Path(name).stem,
        image=image,
        size=size,
        question=read_text_field(data, "question"),
        options=(),
        answer=None,
        expression=None,
        mask=mask,
        parts=(mask,),
        references=(read_text_field(data, "most_common_answer"),),
        tags={"split": split.value},
    )
