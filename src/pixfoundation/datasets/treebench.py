"""TreeBench: multiple choice in crowded scenes, with the boxes of the objects that decide.

Data: Wang et al., TreeVGR (arXiv 2507.07999); `HaochenWang/TreeBench` on the hub. One table holds
everything, the images as base64: Parquet files, or `TreeBench.tsv`. The images are taken out of it
once and kept in `images/` next to it.
"""

from __future__ import annotations

import ast
import base64
import binascii
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from pixfoundation.datasets.base import Problem, datasets
from pixfoundation.datasets.files import FileDataset
from pixfoundation.datasets.places import given_or_fetched
from pixfoundation.errors import DataError, missing_package
from pixfoundation.existence import exists
from pixfoundation.images import image_size
from pixfoundation.masks import MAX_COORDINATE, Mask, union
from pixfoundation.metrics import Box
from pixfoundation.types import LETTERS, Sample

NAME = "treebench"
QUESTIONS = 405
COLUMNS = ("index", "question", "answer", "image", "target_instances")
TABLE = "TreeBench.tsv"
BATCH = 8
"""Number of rows of the table that are read at a time; each holds an image."""


@datasets.register(NAME, summary="TreeBench: choices with the boxes of the objects that decide")
def load(root: Path | None = None) -> FileDataset:
    """Read TreeBench.

    Args:
        root: The folder that holds Parquet files or `TreeBench.tsv`.

    Raises:
        DataError: If there is no table, or it lacks a column.
        PrerequisiteError: If pyarrow is not installed.
    """
    root = given_or_fetched(root, NAME, "TreeBench")
    samples: dict[str, Sample] = {}
    problems: list[Problem] = []
    for table, number, row in _rows(root):
        entry = f"row {number} (index {row.get('index')})"
        try:
            sample = _sample(root / "images", row)
        except DataError as error:
            problems.append(Problem(table, entry, str(error)))
            continue
        if sample.id in samples:
            problems.append(Problem(table, entry, f"the index {sample.id} occurs twice."))
            continue
        samples[sample.id] = sample
    if len(samples) != QUESTIONS:
        message = f"holds {len(samples)} questions; the paper reports {QUESTIONS}."
        problems.append(Problem(root, "questions", message, "warning"))
    return FileDataset(NAME, root, list(samples.values()), problems)


def _rows(root: Path) -> Iterator[tuple[Path, int, Mapping[str, Any]]]:
    """Yield table, number and cells of each row, a few at a time."""
    try:
        import pyarrow
        from pyarrow import csv, parquet
    except ImportError as error:
        raise missing_package("pyarrow", "Reading TreeBench", "data") from error
    tables = sorted(root.rglob("*.parquet")) or [root / TABLE]
    if not exists(tables[0]):
        raise DataError(f"{root} holds neither Parquet files nor {TABLE}.")
    number = 0
    for table in tables:
        try:
            if table.suffix == ".parquet":
                file: Any = parquet.ParquetFile(table)
                names, batches = file.schema_arrow.names, file.iter_batches(batch_size=BATCH)
            else:
                parsing = csv.ParseOptions(delimiter="\t", newlines_in_values=True)
                reading = csv.ReadOptions(block_size=2**26)
                content: Any = csv.read_csv(table, parse_options=parsing, read_options=reading)
                names, batches = content.column_names, content.to_batches(max_chunksize=BATCH)
            if lacking := [name for name in COLUMNS if name not in names]:
                raise DataError(f"{table} lacks the column {lacking[0]!r}.")
            for batch in batches:
                for row in batch.to_pylist():
                    yield table, number, row
                    number += 1
        except (pyarrow.ArrowException, OSError, UnicodeDecodeError, OverflowError) as error:
            raise DataError(f"{table} cannot be read as a table: {error}") from error


def _sample(images: Path, row: Mapping[str, Any]) -> Sample:
    index = str(row["index"])
    if not index.isalnum():
        raise DataError(f"'index' must be a number, but is {index!r}.")
    path = _image(images, index, row["image"])
    size = image_size(path)
    named = {letter: _cell(row.get(letter.upper())) for letter in LETTERS[:11]}
    options = tuple(text for text in named.values() if text)
    answer = _cell(row["answer"]).strip("()").lower()
    if answer not in LETTERS[: len(options)] or len(answer) != 1:
        raise DataError(
            f"'answer' must be the letter of one of {len(options)} options, not {row['answer']!r}."
        )
    boxes = _boxes(row["target_instances"])
    parts = tuple(Mask.from_box(box, size) for box in boxes)
    kind = _cell(row.get("category"))
    return Sample(
        id=index,
        image=path,
        size=size,
        question=_cell(row["question"]),
        options=options,
        answer=answer,
        expression=None,
        mask=union(parts) if parts else Mask.empty(size),
        parts=parts,
        boxes=boxes,
        tags={"category": kind} if kind else {},
    )


def _image(folder: Path, index: str, data: Any) -> Path:
    """Return the file of an image, which is taken from the table if it is not there yet."""
    path = folder / f"{index}.jpg"
    if exists(path):
        return path
    text = data.decode("ascii", "replace") if isinstance(data, bytes) else data
    try:
        content = base64.b64decode(cast("str", text), validate=True)
    except (TypeError, ValueError, binascii.Error) as error:
        raise DataError("'image' is not an image in base64.") from error
    try:
        folder.mkdir(exist_ok=True)
        partial = path.with_suffix(".partial")
        partial.write_bytes(content)
        partial.replace(path)
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror}.") from error
    return path


def _cell(value: Any) -> str:
    """Return a cell as text; a missing one, also as tables of other programs write it, is ''."""
    text = "" if value is None else str(value).strip()
    return "" if text.lower() in ("nan", "none") else text


def _boxes(value: Any) -> tuple[Box, ...]:
    """Read boxes [x0, y0, x1, y1] in pixels, as a list or as the text of one."""
    try:
        boxes = ast.literal_eval(value) if isinstance(value, str) else value
    except (ValueError, SyntaxError, RecursionError, MemoryError) as error:
        raise DataError("'target_instances' is no list of boxes.") from error
    if not isinstance(boxes, list):
        raise DataError("'target_instances' is no list of boxes.")
    rows = cast("list[Any]", boxes)
    if not all(
        isinstance(box, list | tuple)
        and len(cast("list[Any]", box)) == 4
        and all(type(v) in (int, float) and abs(v) <= MAX_COORDINATE for v in box)
        for box in rows
    ):
        raise DataError("'target_instances' holds something that is no [x0, y0, x1, y1].")
    return tuple((float(a), float(b), float(c), float(d)) for a, b, c, d in rows)
