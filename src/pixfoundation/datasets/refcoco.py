"""RefCOCO, RefCOCO+ and RefCOCOg: objects of COCO images with several expressions each.

Data: the `refer` toolkit (Yu et al. 2016, Mao et al. 2016, Kazemzadeh et al. 2014) and COCO's
train2014. Each sentence is a sample; the sentences about one image are resampled together. Layout:

```
refcoco/refs(unc).p     refcoco/instances.json      the same for refcoco+ and refcocog (umd, google)
images/mscoco/images/train2014/*.jpg                (or below another usual name, or `images=...`)
```
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pixfoundation.datasets.base import Problem, datasets
from pixfoundation.datasets.files import FileDataset
from pixfoundation.datasets.places import given_or_fetched
from pixfoundation.datasets.refer_files import (
    Instances,
    Overlaps,
    count_note,
    find_images,
    read_refs,
    sentences_of,
)
from pixfoundation.errors import DataError
from pixfoundation.existence import exists
from pixfoundation.option_bundles import read_choices, takes_bundles
from pixfoundation.types import Query, Sample
from pixfoundation.wording import counted


@dataclass(frozen=True, slots=True)
class _Edition:
    """One of the three datasets.

    Attributes:
        title: Its name in messages.
        split_by: Names of its splits' authors; the first is the usual one.
        splits: The splits that are evaluated.
        expressions: Number of expressions of a split with the usual author, where it is published.
    """

    title: str
    split_by: tuple[str, ...]
    splits: tuple[str, ...]
    expressions: dict[str, int]


SOURCE = "the `refer` toolkit (lichengunc/refer) links to its annotations, COCO has the images"

_EDITIONS = {
    "refcoco": _Edition(
        "RefCOCO",
        ("unc", "google"),
        ("val", "testA", "testB", "train"),
        {"val": 10834},
    ),
    "refcoco+": _Edition(
        "RefCOCO+",
        ("unc",),
        ("val", "testA", "testB", "train"),
        {},
    ),
    "refcocog": _Edition(
        "RefCOCOg",
        ("umd", "google"),
        ("val", "test", "train"),
        {},
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferOptions:
    """Which part of a dataset of this family is read, and how.

    Attributes:
        split: Name of the split: `val`, `testA`, `testB`, `test` or `train`.
        split_by: Author of the splits; None for the usual one.
        images: Folder of COCO's train2014, from the root; None to look for it.
        overlaps: What pixels are that several polygons of an object cover.
    """

    split: str = "val"
    split_by: str | None = None
    images: Path | None = None
    overlaps: Overlaps = Overlaps.UNION

    def __post_init__(self) -> None:
        read_choices(self)


@datasets.register("refcoco", summary="RefCOCO: expressions and masks on COCO; needs --data-root")
@takes_bundles(options=ReferOptions)
def load_refcoco(root: Path | None = None, *, options: ReferOptions) -> FileDataset:
    """Read RefCOCO.

    Args:
        root: The folder that holds `refcoco/`.
        options: Which part is read, and how; its fields are keyword options of this function.

    Raises:
        DataError: If a file is missing or unreadable, or an option has another value.
    """
    return _load("refcoco", root, options)


@datasets.register("refcoco+", summary="RefCOCO+: as RefCOCO, without words of place")
@takes_bundles(options=ReferOptions)
def load_refcoco_plus(root: Path | None = None, *, options: ReferOptions) -> FileDataset:
    """Read RefCOCO+; arguments and errors are those of `load_refcoco`."""
    return _load("refcoco+", root, options)


@datasets.register("refcocog", summary="RefCOCOg: longer expressions; splits by umd or google")
@takes_bundles(options=ReferOptions)
def load_refcocog(root: Path | None = None, *, options: ReferOptions) -> FileDataset:
    """Read RefCOCOg; arguments and errors are those of `load_refcoco`."""
    return _load("refcocog", root, options)


def _load(name: str, root: Path | None, options: ReferOptions) -> FileDataset:
    edition = _EDITIONS[name]
    split, author = options.split, options.split_by or edition.split_by[0]
    for option, value, known in (
        ("split", split, edition.splits),
        ("split_by", author, edition.split_by),
    ):
        if value not in known:
            raise DataError(
                f"{option} of {edition.title} must be one of {', '.join(known)}, but is {value!r}."
            )
    root = given_or_fetched(root, name, edition.title, SOURCE)
    folder = root if exists(root / "instances.json") else root / name
    file = folder / f"refs({author}).p"
    refs = read_refs(file)
    images = find_images(root, options.images)
    instances = Instances(folder / "instances.json", images, options.overlaps)
    problems: list[Problem] = []
    samples = list(_samples(file, refs, split, instances, problems))
    if author == edition.split_by[0]:
        problems += count_note(file, split, len(samples), edition.expressions)
    notes = [f"split {split} ({author})"]
    if instances.overlapping:
        rule = {Overlaps.UNION: "united", Overlaps.LISA: "counted as LISA's loader does"}
        notes.append(
            f"polygons of {counted(instances.overlapping, 'object')} overlap; they are "
            f"{rule[options.overlaps]}"
        )
    advice = "It belongs to COCO train2014, which you download from COCO's own page."
    return FileDataset(name, root, samples, problems, notes, lambda _: advice)


def _samples(
    file: Path,
    refs: list[dict[str, Any]],
    split: str,
    instances: Instances,
    problems: list[Problem],
) -> Iterator[Sample]:
    seen: set[str] = set()
    for number, ref in enumerate(refs):
        if not _belongs(ref.get("split"), split):
            continue
        entry = f"refs[{number}] (ref {ref.get('ref_id')})"
        try:
            image = instances.image_of(ref.get("image_id"))
            annotation = ref.get("ann_id")
            if not isinstance(annotation, int):
                raise DataError(f"'ann_id' must be a number, but is {annotation!r}.")
            mask = instances.mask([annotation])
            texts = sentences_of(file, ref, number)
        except DataError as error:
            problems.append(Problem(file, entry, str(error)))
            continue
        if mask.is_empty:
            message = f"annotation {annotation} covers no pixel."
            problems.append(Problem(file, entry, message, "warning"))
        for id, text in texts:
            if id in seen:
                problems.append(Problem(file, entry, f"the sentence {id} occurs twice."))
                continue
            seen.add(id)
            yield Sample(
                id=id,
                image=image.path,
                size=image.size,
                question=None,
                options=(),
                answer=None,
                expression=text,
                mask=mask,
                tags={"split": split, "category": instances.annotations[annotation].category},
                group=str(image.id),
                query=Query.PHRASE,
            )


def _belongs(value: Any, split: str) -> bool:
    """Return whether a reference is of a split; `testAB` is in testA and in testB."""
    if not isinstance(value, str):
        return False
    if split in ("testA", "testB"):
        return value.startswith("test") and split[-1] in value[len("test") :]
    return value == split
