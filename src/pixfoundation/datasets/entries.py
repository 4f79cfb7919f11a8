"""Entries of JSON files, read field by field into samples."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, cast

from pixfoundation.datasets.base import Problem
from pixfoundation.datasets.files import FileDataset
from pixfoundation.errors import DataError
from pixfoundation.masks import MAX_COORDINATE, MAX_PIXELS
from pixfoundation.metrics import Box
from pixfoundation.types import Sample

Entry = dict[str, Any]


def collect_entries(
    name: str,
    root: Path,
    entries: Iterable[tuple[Path, str, Callable[[], Sample]]],
    expected: int | None = None,
) -> FileDataset:
    """Read every entry; one that cannot be used becomes a problem with its file and name.

    Args:
        name: Name of the dataset.
        root: Its folder.
        entries: File and name of each entry, and what reads its sample.
        expected: Number of samples that papers report; None if it is not known.
    """
    samples: dict[str, Sample] = {}
    problems: list[Problem] = []
    for file, entry, read in entries:
        try:
            sample = read()
        except DataError as error:
            problems.append(Problem(file, entry, str(error)))
            continue
        if sample.id in samples:
            problems.append(Problem(file, entry, f"the id {sample.id!r} occurs twice."))
            continue
        samples[sample.id] = sample
    if expected is not None and len(samples) != expected:
        message = f"holds {len(samples)} samples; papers report {expected}."
        problems.append(Problem(root, "samples", message, "warning"))
    return FileDataset(name, root, list(samples.values()), problems)


def read_object(value: Any, what: str) -> Entry:
    """Return a value that must be an object; raises DataError with `what` otherwise."""
    if not isinstance(value, dict):
        raise DataError(f"{what} must be an object.")
    return cast("Entry", value)


def read_text_field(data: Entry, name: str) -> str:
    """Return a text of an entry without blanks around it; raises DataError otherwise."""
    value = data.get(name)
    if not isinstance(value, str) or not value.strip():
        raise DataError(f"{name!r} must be a text, but is {value!r}.")
    return value.strip()


def read_list(data: Entry, name: str) -> list[Any]:
    """Return a list of an entry that holds something; raises DataError otherwise."""
    value = data.get(name)
    if not isinstance(value, list) or not value:
        raise DataError(f"{name!r} must be a list, but is {value!r}.")
    return cast("list[Any]", value)


def read_texts(data: Entry, name: str) -> list[str]:
    """Return a list of texts of an entry; raises DataError if it holds anything else."""
    values = read_list(data, name)
    if not all(isinstance(value, str) and value.strip() for value in values):
        raise DataError(f"{name!r} must be a list of texts.")
    return [str(value).strip() for value in values]


def read_size(image: Entry) -> tuple[int, int]:
    """Return the (height, width) of an entry in pixels; raises DataError if it has none."""
    height, width = image.get("height"), image.get("width")
    if (
        type(height) is not int
        or type(width) is not int
        or min(height, width) < 1
        or height * width > MAX_PIXELS
    ):
        raise DataError(f"'height' and 'width' must be numbers of pixels: {height!r}, {width!r}.")
    return (height, width)


def read_box(value: Any) -> Box:
    """Read [x, y, width, height] as (x0, y0, x1, y1)."""
    numbers = cast("list[Any]", value) if isinstance(value, list) else []
    known = [n for n in numbers if type(n) in (int, float) and abs(n) <= MAX_COORDINATE]
    if len(known) != 4 or len(numbers) != 4 or known[2] <= 0 or known[3] <= 0:
        raise DataError(f"a box is [x, y, width, height] in pixels, but this is {value!r}.")
    x, y, width, height = (float(n) for n in known)
    return (x, y, x + width, y + height)
