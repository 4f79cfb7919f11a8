"""gRefCOCO: expressions that name one object, several, or none.

Data: Liu et al., GRES (CVPR 2023); COCO's train2014. Layout:

```
grefcoco/grefs(unc).json (or .p)     grefcoco/instances.json     images as for RefCOCO
```
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any, cast

from pixfoundation.datasets.base import Problem, datasets
from pixfoundation.datasets.files import FileDataset
from pixfoundation.datasets.places import given_or_fetched
from pixfoundation.datasets.refer_files import (
    Instances,
    Overlaps,
    find_images,
    read_refs,
    sentences_of,
)
from pixfoundation.errors import DataError
from pixfoundation.existence import exists
from pixfoundation.masks import Mask
from pixfoundation.types import Query, Sample

NAME = "grefcoco"
SPLITS = ("val", "testA", "testB", "train")
SOURCE = "the hub has its annotations as FudanCVL/gRefCOCO, COCO has the images"
NO_TARGET = -1
"""The annotation id of an expression that names nothing."""


class Crowds(StrEnum):
    """Whether crowds are part of a target."""

    LEFT_OUT = "left-out"  # as in the original toolkit, ReLA and Sa2VA
    INCLUDED = "included"  # as in GSVA


@datasets.register(
    NAME, summary="gRefCOCO: expressions for one object, several or none; needs --data-root"
)
def load(
    root: Path | None = None,
    *,
    split: str = "val",
    images: Path | None = None,
    crowds: Crowds = Crowds.LEFT_OUT,
) -> FileDataset:
    """Read gRefCOCO.

    Args:
        root: The folder that holds `grefcoco/`.
        split: `val`, `testA`, `testB` or `train`.
        images: Folder of COCO's train2014, from `root`; None to look for it.
        crowds: Whether crowds are part of a target.

    Raises:
        DataError: If a file is missing or unreadable, or an option has another value.
    """
    if split not in SPLITS:
        known = ", ".join(SPLITS)
        raise DataError(f"split of gRefCOCO must be one of {known}, but is {split!r}.")
    root = given_or_fetched(root, NAME, "gRefCOCO", SOURCE)
    folder = root if exists(root / "instances.json") else root / NAME
    file = folder / "grefs(unc).json"
    if not exists(file) and exists(file.with_suffix(".p")):
        file = file.with_suffix(".p")
    refs = read_refs(file)
    instances = Instances(folder / "instances.json", find_images(root, images), Overlaps.UNION)
    problems: list[Problem] = []
    samples = list(_samples(file, refs, split, instances, Crowds(crowds), problems))
    advice = "It belongs to COCO train2014, which you download from COCO's own page."
    return FileDataset(NAME, root, samples, problems, [f"split {split}"], lambda _: advice)


def _samples(
    file: Path,
    refs: list[dict[str, Any]],
    split: str,
    instances: Instances,
    crowds: Crowds,
    problems: list[Problem],
) -> Iterator[Sample]:
    for number, ref in enumerate(refs):
        if ref.get("split") != split:
            continue
        entry = f"grefs[{number}] (ref {ref.get('ref_id')})"
        try:
            image = instances.image_of(ref.get("image_id"))
            ids = _annotations(ref)
            targets = [
                id
                for id in ids
                if crowds is Crowds.INCLUDED
                or id not in instances.annotations
                or not instances.annotations[id].crowd
            ]
            mask = instances.mask(targets) if targets else Mask.empty(image.size)
            if mask.size != image.size:
                raise DataError("its annotations belong to an image of another size.")
            texts = sentences_of(file, ref, number)
        except DataError as error:
            problems.append(Problem(file, entry, str(error)))
            continue
        if targets and mask.is_empty:
            problems.append(Problem(file, entry, "its annotations cover no pixel.", "warning"))
        many = "many" if len(ids) > 1 else "one" if ids else "none"
        for id, text in texts:
            yield Sample(
                id=f"{ref.get('ref_id')}-{id}",
                image=image.path,
                size=image.size,
                question=None,
                options=(),
                answer=None,
                expression=text,
                mask=mask,
                parts=tuple(instances.mask([target]) for target in targets),
                tags={"split": split, "targets": many},
                group=str(image.id),
                query=Query.PHRASE,
            )


def _annotations(ref: dict[str, Any]) -> list[int]:
    """Return the annotations that an expression names; none if it names nothing."""
    value = ref.get("ann_id")
    ids = cast("list[int]", value) if isinstance(value, list) else [cast("int", value)]
    if not all(type(id) is int for id in ids):
        raise DataError(f"'ann_id' must be a list of numbers, but is {value!r}.")
    named = [id for id in ids if id != NO_TARGET]
    if bool(ref.get("no_target", not named)) == bool(named):
        raise DataError(f"'no_target' is {ref.get('no_target')!r}, but 'ann_id' is {value!r}.")
    return named
