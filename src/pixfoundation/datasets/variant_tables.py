"""The published files of varied questions: `Questions_<NN>.csv` and `test_<NN>.parquet`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from pixfoundation.datasets.text_files import read_csv
from pixfoundation.errors import DataError, missing_package
from pixfoundation.option_letters import bare_options, split_lettered
from pixfoundation.wording import counted

INSTRUCTION = "question_extension"
"""The column of the instruction of protocol 2; without it the instruction is the usual one."""
_INDICES = ("index", "lndex", "")
"""Names of the column of ids; MMVP's own table spells it with a small L."""


@dataclass(frozen=True, slots=True)
class QuestionTexts:
    """A row of a file of varied questions, with its texts as written.

    Attributes:
        line: Number of the line or row, from 1.
        question: The question.
        options: The options without their letters, stripped.
        instruction: The instruction of protocol 2; None if the file has none.
        prompt: The dataset's own prompt, where the file has one.
    """

    line: int
    question: str
    options: tuple[str, ...]
    instruction: str | None = None
    prompt: str | None = None


def read_question_table(path: Path) -> dict[str, QuestionTexts]:
    """Read a file of varied questions by the id of their samples.

    Raises:
        DataError: If the file is missing or damaged, lacks a column, or an id occurs twice.
        PrerequisiteError: If `pyarrow`, which reads Parquet files, is not installed.
    """
    rows = _parquet_rows(path) if path.suffix == ".parquet" else _csv_rows(path)
    texts: dict[str, QuestionTexts] = {}
    for id, row in rows:
        if id in texts:
            raise DataError(f"{path}, line {row.line}: the index {id} occurs twice.")
        texts[id] = row
    return texts


def _csv_rows(path: Path) -> list[tuple[str, QuestionTexts]]:
    table = read_csv(path, ("question", "options"))
    header = [cell.strip().lower() for cell in table[0].cells] if table else []
    index = next((name for name in _INDICES if header.count(name) == 1), None)
    for name in ("question", "options"):
        if header.count(name) != 1:
            raise DataError(f"{path} has no column {name!r}, or several.")
    if index is None:
        raise DataError(f"{path} has no column 'index'.")
    rows: list[tuple[str, QuestionTexts]] = []
    for row in table[1:]:
        if len(row.cells) != len(header):
            raise DataError(
                f"{path}, line {row.line}: has {counted(len(row.cells), 'cell')} instead "
                f"of {len(header)}."
            )
        cells = dict(zip(header, row.cells, strict=True))
        rows.append((cells[index].strip(), _texts(path, row.line, cells)))
    return rows


def _texts(path: Path, line: int, cells: Mapping[str, str]) -> QuestionTexts:
    if not cells["question"].strip():
        raise DataError(f"{path}, line {line}: has an empty question.")
    try:
        options = split_lettered(cells["options"])
    except DataError as error:
        raise DataError(f"{path}, line {line}: {error}") from error
    return QuestionTexts(line, cells["question"], options, cells.get(INSTRUCTION))


def _parquet_rows(path: Path) -> list[tuple[str, QuestionTexts]]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise missing_package("pyarrow", "a Parquet file of questions", "data") from error
    try:
        present = parquet.read_schema(path).names
        if lacking := [name for name in ("idx", "question", "choices") if name not in present]:
            raise DataError(f"{path} lacks the column {' and '.join(map(repr, lacking))}.")
        columns = ["idx", "question", "choices", "source", "prompt", INSTRUCTION]
        table = parquet.read_table(path, columns=[name for name in columns if name in present])
        rows = cast("list[dict[str, Any]]", table.to_pylist())
    except (OSError, ValueError, OverflowError, pyarrow.ArrowException) as error:
        raise DataError(f"{path} cannot be read as a Parquet file: {error}") from error
    return [
        (str(row["idx"]), _texts_of_row(path, number, row))
        for number, row in enumerate(rows, start=1)
        if row.get("source") in (None, "ADE20K", "COCO")
    ]


def _texts_of_row(path: Path, number: int, row: Mapping[str, Any]) -> QuestionTexts:
    question, choices = row["question"], row["choices"]
    try:
        if not isinstance(question, str) or not question.strip():
            raise DataError("has an empty question.")
        if isinstance(choices, str):  # the generator joins them to one text
            options = split_lettered(choices)
        elif isinstance(choices, list):
            texts = [str(choice) for choice in cast("list[Any]", choices)]
            options = tuple(text.strip() for text in bare_options(texts))
        else:
            raise DataError(f"its choices are {choices!r}, neither a text nor a list.")
        for name in ("prompt", INSTRUCTION):
            if not isinstance(row.get(name), str | None):
                raise DataError(f"its {name} is {row[name]!r}, not a text.")
    except DataError as error:
        raise DataError(f"{path}, row {number}: {error}") from error
    return QuestionTexts(number, question, options, row.get(INSTRUCTION), row.get("prompt"))
