"""MultihopSpatial: a choice, and the box of the object that it names.

Data: Lee et al. (arXiv 2603.18892); `etri-vilab/MultihopSpatial` on the hub. Layout, as the
authors' evaluation reads it (youngwanLEE/multihopspatial):

```
data/multihop_test_4500.json     data/images/<image>
```
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import Any, cast

from pixfoundation.datasets.base import datasets
from pixfoundation.datasets.coco import read_json
from pixfoundation.datasets.entries import (
    collect_entries,
    read_box,
    read_object,
    read_text_field,
)
from pixfoundation.datasets.files import FileDataset, split_options
from pixfoundation.datasets.places import given_or_fetched
from pixfoundation.errors import DataError
from pixfoundation.images import image_size
from pixfoundation.masks import Mask
from pixfoundation.types import LETTERS, Sample

_CHOICES = re.compile(r"<choice>(.*?)</choice>", re.DOTALL)
_TAGS = re.compile(r"</?(?:ATT|POS|REL)>")

EXPECTED = 4500
"""Number of samples, as the paper reports it."""


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
    images = root / "data" / "images"
    entries = (
        (file, f"[{number}]", partial(_sample, images, row))
        for number, row in enumerate(cast("list[Any]", data))
    )
    return collect_entries("multihopspatial", root, entries, EXPECTED)


def _sample(images: Path, row: Any) -> Sample:
    data = read_object(row, "the entry")
    image = images / read_text_field(data, "image_path").lstrip("/\\")
    size = image_size(image)
    text = _TAGS.sub("", read_text_field(data, "question"))
    match = _CHOICES.search(text)
    if match is None:
        raise DataError("'question' has no <choice>...</choice>.")
    options = split_options(match[1])
    right = re.match(r"\s*\(([a-z])\)", read_text_field(data, "answer"), re.IGNORECASE)
    if right is None or right[1].lower() not in LETTERS[: len(options)]:
        raise DataError(f"'answer' is no option: {data['answer']!r}.")
    box = read_box(data.get("bbox"))
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
