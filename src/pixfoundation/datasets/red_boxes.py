"""CV-Bench's pictures with a red box, for the questions that speak of one.

The question table holds a picture for each question, on which CV-Bench has drawn the box. The
pictures of the questions about a red box are taken out of the table once and kept next to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from pixfoundation.errors import DataError
from pixfoundation.existence import exists

FOLDER = "red_box"
COLUMN = "image"
BATCH = 32
"""Number of rows of the table that are read at a time."""


class RedBox(StrEnum):
    """Whether the box is drawn where a prompt says 'annotated by the red box'.

    `drawn` asks about CV-Bench's own picture with the box, `none` about the plain image.
    """

    DRAWN = "drawn"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class BoxPictures:
    """Pictures with a red box.

    Attributes:
        paths: The file of each picture by index of its question.
        lacking: Why others have none, in one sentence; None if all have one.
    """

    paths: Mapping[int, Path]
    lacking: str | None = None


def box_pictures(table: Path, indices: Sequence[int]) -> BoxPictures:
    """Return the pictures of some questions; those that are not there yet are taken from the table.

    Args:
        table: CV-Bench's question table, a Parquet file.
        indices: The questions that speak of a red box.
    """
    folder = table.parent / FOLDER
    paths = {index: folder / f"{index}.png" for index in indices}
    missing = {index for index, path in paths.items() if not exists(path)}
    lacking = None
    if missing:
        try:
            _take_out(table, missing, folder)
        except (DataError, OSError) as error:
            lacking = str(error)
    present = {index: path for index, path in paths.items() if exists(path)}
    if len(present) < len(paths) and lacking is None:
        lacking = f"{table} holds no picture for {len(paths) - len(present)} of these questions."
    return BoxPictures(present, lacking)


def _take_out(table: Path, requested: set[int], folder: Path) -> None:
    """Write the pictures of some questions into a folder, each under its index."""
    import pyarrow
    from pyarrow import parquet

    file: Any = parquet.ParquetFile(table)
    if COLUMN not in file.schema_arrow.names:
        raise DataError(f"{table} has no column {COLUMN!r}.")
    folder.mkdir(exist_ok=True)
    try:
        for row in _rows(file):
            data = row[COLUMN].get("bytes") if isinstance(row[COLUMN], dict) else row[COLUMN]
            if row["idx"] in requested and isinstance(data, bytes):
                partial = folder / f"{row['idx']}.partial"
                partial.write_bytes(data)
                partial.replace(folder / f"{row['idx']}.png")
    except pyarrow.ArrowException as error:
        raise DataError(f"{table} cannot be read as a Parquet file: {error}") from error


def _rows(file: Any) -> Iterator[dict[str, Any]]:
    for batch in file.iter_batches(batch_size=BATCH, columns=["idx", COLUMN]):
        yield from batch.to_pylist()
