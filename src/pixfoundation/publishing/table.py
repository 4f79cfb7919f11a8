"""The answers of a run as a Parquet file that the hub's viewer and `datasets` read."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, groupby
from pathlib import Path
from typing import Any

from pixfoundation.existence import isfile
from pixfoundation.exports.table import answer_rows
from pixfoundation.exports.view import ExportedRun
from pixfoundation.extras import load_package
from pixfoundation.masks import Mask

FEATURE = "`push`"
COLUMNS = {
    "image": "the image itself (with `--images`)",
    "image_file": "name of the image file",
    "sample, pair": "ids of the dataset; the two images of a pair differ in one detail",
    "protocol": "1: question with options; 2: to be answered by letter; 3: `Identify ...`",
    "prompt, answer": "what the model got, and what it wrote",
    "right": "whether the answer is right; empty where it is not graded",
    "selector, iou": "what selected the mask, and its IoU with the ground truth, 0 to 1",
    "failure": "which of answer and mask succeed: both, vqa_only, grounding_only, neither",
    "phrase, x, y": "the noun phrase and point of the selected mask",
    "mask": "the selected mask, as run lengths of COCO (JSON with `size` and `counts`)",
    "truth_mask": "the ground truth in the same form (with `--images`)",
    "tag:...": "tags of the dataset",
}
"""What the columns hold; the others say it by their name."""


GROUP_ROWS, GROUP_BYTES = 1000, 64 * 2**20
"""A group of rows is written once it has as many rows or as many bytes of images."""


def write_table(run: ExportedRun, out: Path, *, images: bool) -> int:
    """Write one row per sample and protocol.

    Rows are written in groups, so that no more images are held than those of one group.

    Args:
        run: The run.
        out: The file.
        images: Whether images and ground-truth masks are inside.

    Returns:
        Number of images that are missing; 0 without images.

    Raises:
        PrerequisiteError: If pyarrow is not installed.
    """
    arrow = load_package("pyarrow", "data", FEATURE)
    parquet = load_package("pyarrow.parquet", "data", FEATURE)
    absent: set[str] = set()
    groups = _groups(_rows(run, images, absent))
    none: list[dict[str, Any]] = []
    first = next(groups, none)
    schema = _schema(arrow, first[0] if first else {}, images)
    with parquet.ParquetWriter(str(out), schema) as writer:
        for group in chain([first], groups):
            writer.write_table(arrow.Table.from_pylist(group, schema=schema))
    return len(absent)


def _rows(run: ExportedRun, images: bool, absent: set[str]) -> Iterator[dict[str, Any]]:
    """Yield the rows; ids of samples whose image is missing join `absent`."""
    pairs = zip(run.answers(), answer_rows(run), strict=True)
    for id, group in groupby(pairs, key=lambda pair: pair[0].sample.id):
        own = list(group)
        sample = own[0][0].sample
        image = _image(sample.image) if images else None
        truth = _run_lengths(sample.mask) if images else None
        if images and image is None:
            absent.add(id)
        for answer, row in own:
            row = {"image_file": Path(row.pop("image")).name, **row}
            row["mask"] = _run_lengths(answer.mask)
            yield {"image": image, **row, "truth_mask": truth} if images else row


def _groups(rows: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Yield rows in groups, none of them empty."""
    group: list[dict[str, Any]] = []
    size = 0
    for row in rows:
        group.append(row)
        size += len(image["bytes"]) if (image := row.get("image")) else 0
        if len(group) >= GROUP_ROWS or size >= GROUP_BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group


def _schema(arrow: Any, row: Mapping[str, Any], images: bool) -> Any:
    """Return the types of the columns, and for the hub's viewer which of them are images."""
    fields = [(name, _type(arrow, name)) for name in row]
    schema = arrow.schema(fields)
    if not images:
        return schema
    features = {"image": {"_type": "Image"}} | {
        name: {"dtype": _DTYPES[str(kind)], "_type": "Value"}
        for name, kind in fields
        if name != "image"
    }
    return schema.with_metadata({"huggingface": json.dumps({"info": {"features": features}})})


_DTYPES = {"string": "string", "bool": "bool", "double": "float64", "int64": "int64"}
_NUMBERS = {
    "protocol": "int64",
    "candidates": "int64",
    "iou": "double",
    "x": "double",
    "y": "double",
    "right": "bool",
}
"""Columns that hold no text."""


def _type(arrow: Any, name: str) -> Any:
    """Return the type of a column: the same for every run, whether or not it has values."""
    if name == "image":
        return arrow.struct([("bytes", arrow.binary()), ("path", arrow.string())])
    return {"int64": arrow.int64(), "double": arrow.float64(), "bool": arrow.bool_()}.get(
        _NUMBERS.get(name, ""), arrow.string()
    )


def _image(file: Path) -> dict[str, Any] | None:
    """Return an image as the hub stores it; None if it is missing."""
    return {"bytes": file.read_bytes(), "path": file.name} if isfile(file) else None


def _run_lengths(mask: Mask | None) -> str | None:
    return None if mask is None else json.dumps(mask.to_json())
