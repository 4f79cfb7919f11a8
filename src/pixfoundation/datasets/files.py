"""Datasets that are read from files: checks, fingerprint and tables."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from pixfoundation.datasets.base import Problem, describe_dataset
from pixfoundation.datasets.text_files import read_csv
from pixfoundation.errors import DataError
from pixfoundation.existence import exists
from pixfoundation.images import read_image
from pixfoundation.types import LETTERS, Sample
from pixfoundation.wording import counted, pixfoundation_command

ImageAdvice = Callable[[Sample], str]
"""A function that returns a sentence that says where to get a missing image."""
MOST_DIGITS = 18
"""Greatest length of the number of an entry; anything longer is no number."""


LONGEST_SHAPE = 100
"""Ratio of the sides of an image from which on `check` names it: Qwen-VL refuses 200, and a
segmenter resizes the shorter side to less than a few pixels."""


class FileDataset:
    """A dataset that was read from files, together with every problem of these files.

    It can always be checked; its samples are available only if there are no errors.

    Attributes:
        name: The name that it was loaded by.
        root: The folder it was read from.
        notes: Sentences that tables must print next to the numbers.
    """

    def __init__(
        self,
        name: str,
        root: Path,
        samples: Sequence[Sample],
        problems: Iterable[Problem],
        notes: Sequence[str] = (),
        advice: ImageAdvice = lambda sample: "",
    ) -> None:
        """Keep the results of a reader.

        Args:
            name: The name that it was loaded by.
            root: The folder it was read from.
            samples: The samples that could be read.
            problems: Problems of the annotations.
            notes: Sentences that tables must print next to the numbers.
            advice: Returns a sentence that says where to get a missing image.
        """
        self.name = name
        self.root = root
        self.notes = tuple(notes)
        self._samples = tuple(samples)
        self._problems = tuple(problems)
        self._advice = advice

    @property
    def samples(self) -> tuple[Sample, ...]:
        """The samples in a fixed order.

        Raises:
            DataError: If the annotations have errors, or there are no samples.
        """
        errors = [problem for problem in self._problems if problem.severity == "error"]
        if errors:
            more = f" and {len(errors) - 1} more" if len(errors) > 1 else ""
            command = ("datasets", "check", self.name, "--data-root", self.root)
            raise DataError(
                f"{self.name} cannot be used: {str(errors[0]).removesuffix('.')}{more}. "
                f"`{pixfoundation_command(*command)}` lists all problems."
            )
        if not self._samples:
            raise DataError(f"{self.name} at {self.root} holds no samples.")
        return self._samples

    def __str__(self) -> str:
        return describe_dataset(self)

    def fingerprint(self) -> str:
        """Return a hash of all questions, answers, expressions and masks, without folder names."""
        digest = hashlib.sha256()
        for sample in self.samples:
            data = sample.to_json()
            data["image"] = sample.image.name
            digest.update(json.dumps(data, sort_keys=True).encode())
        return digest.hexdigest()

    @property
    def readable(self) -> tuple[Sample, ...]:
        """The samples that could be read, even if others could not."""
        return self._samples

    def check(self, images: bool = True) -> list[Problem]:
        """Return every problem of the data on disk.

        Args:
            images: Whether to open the image files as well.
        """
        problems = list(self._problems)
        if images:
            problems += [problem for sample in self._samples for problem in self._image(sample)]
        return problems

    def _image(self, sample: Sample) -> Iterable[Problem]:
        if not exists(sample.image):
            advice = self._advice(sample)
            yield Problem(sample.image, f"sample {sample.id}", f"is missing. {advice}".rstrip())
            return
        try:
            read = read_image(sample.image)
        except DataError as error:
            yield Problem(sample.image, f"sample {sample.id}", str(error))
            return
        for note in read.notes:
            yield Problem(sample.image, f"sample {sample.id}", note, "warning")
        size = (read.image.height, read.image.width)
        if max(size) >= LONGEST_SHAPE * min(size):
            yield Problem(
                sample.image,
                f"sample {sample.id}",
                f"is {size[0]} x {size[1]} (height x width): models and segmenters refuse images "
                "that are so long.",
                "warning",
            )
        if size != sample.size:
            yield Problem(
                sample.image,
                f"sample {sample.id}",
                f"is {size[0]} x {size[1]} (height x width), but its annotations say "
                f"{sample.size[0]} x {sample.size[1]}.",
            )


class Row(dict[str, str]):
    """One row of a table: trimmed cells by lower-case column name.

    Attributes:
        line: Number of the line in the file, from 1.
    """

    line: int


def read_table(path: Path, columns: Sequence[str], problems: list[Problem]) -> list[Row]:
    """Read a CSV file; a row of the wrong length is reported as a problem and left out.

    Args:
        path: The file.
        columns: The required columns, in lower case.
        problems: List to which problems are appended.

    Raises:
        DataError: If the file is missing, is not text, ends within quotes, or lacks a column.
    """
    table = read_csv(path, tuple(columns))
    if not table:
        raise DataError(f"{path} is empty.")
    header = [cell.strip().lower() for cell in table[0].cells]
    for column in columns:
        if header.count(column) > 1:
            raise DataError(f"{path} has the column {column!r} {header.count(column)} times.")
    lacking = [column for column in columns if column not in header]
    if lacking:
        raise DataError(
            f"{path} lacks the column {' and '.join(map(repr, lacking))}; it has "
            f"{', '.join(map(repr, header))}."
        )
    rows = []
    for line, cells in ((row.line, row.cells) for row in table[1:]):
        if len(cells) != len(header):
            problems.append(
                Problem(
                    path,
                    (f"line {line}"),
                    f"has {counted(len(cells), 'cell')} instead of {len(header)}.",
                )
            )
            continue
        row = Row(zip(header, (cell.strip() for cell in cells), strict=True))
        row.line = line
        rows.append(row)
    return rows


def by_number(
    path: Path, rows: Sequence[Row], column: str, problems: list[Problem]
) -> dict[int, Row]:
    """Return rows by a column of whole numbers; other and repeated values become problems."""
    numbered: dict[int, Row] = {}
    for row in rows:
        text = row[column]
        if not (text.isascii() and text.isdigit() and len(text) <= MOST_DIGITS):
            problems.append(
                Problem(path, f"line {row.line}", f"{column} is {text[:40]!r}, not a number.")
            )
        elif int(text) in numbered:
            problems.append(Problem(path, f"line {row.line}", f"{column} {text} occurs twice."))
        else:
            numbered[int(text)] = row
    return numbered


def split_options(text: str) -> tuple[str, ...]:
    """Split options such as `(a) Open (b) Closed` at their letters, in alphabetical order.

    Raises:
        DataError: If the text does not begin with `(a)` or has fewer than two options.

    Example:
        >>> split_options("(a) Open (b) Closed")
        ('Open', 'Closed')
    """
    rest = text.strip()
    if not rest.startswith("(a)"):
        raise DataError(f"Options are written '(a) ... (b) ...', but these are {text!r}.")
    parts = []
    for following in LETTERS[1:]:
        part, marker, after = rest[3:].partition(f"({following})")
        parts.append(part.strip())
        if not marker:
            break
        rest = marker + after
    if len(parts) < 2 or not all(parts):
        raise DataError(f"A question needs two options or more, but these are {text!r}.")
    return tuple(parts)


def answer_letter(text: str, options: Sequence[str]) -> str:
    """Read `(a)` or `A` as the letter of one of the options.

    Raises:
        DataError: If the text is not the letter of an option.
    """
    letter = text.strip().strip("()").lower()
    if len(letter) != 1 or letter not in LETTERS[: len(options)]:
        raise DataError(
            f"The answer {text!r} is not the letter of any of {counted(len(options), 'option')}."
        )
    return letter
