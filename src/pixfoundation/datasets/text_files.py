"""Text files and tables in the encodings that programs write, or refused with the line."""

from __future__ import annotations

import codecs
import csv
import io
from dataclasses import dataclass
from pathlib import Path

from pixfoundation.errors import DataError

csv.field_size_limit(1_000_000)

MARKS = (  # longest first: the mark of UTF-32 begins with that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
DELIMITERS = (",", ";", "\t")


@dataclass(frozen=True, slots=True)
class TableRow:
    """One row of a table.

    Attributes:
        line: Number of the line in the file on which it begins, from 1.
        cells: Its cells as written.
    """

    line: int
    cells: tuple[str, ...]


def read_text(path: Path) -> str:
    """Read a text file in UTF-8, or in UTF-16 or UTF-32 with a byte order mark.

    Line ends are kept as they are.

    Raises:
        DataError: If the file is missing, unreadable, or in another encoding; the message names the
            first line that is not UTF-8.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise DataError(f"There is no {path}.") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from error
    encoding = next((name for mark, name in MARKS if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{path}, line {line}: is not {encoding.removesuffix('-sig').upper()} text (byte "
            f"0x{data[error.start]:02x} at place {error.start}). Save the file as UTF-8."
        ) from error
    if (place := text.find("\0")) >= 0:
        line = text.count("\n", 0, place) + 1
        raise DataError(
            f"{path}, line {line}: holds a null character: it is not text, or UTF-16 without a "
            "byte order mark. Save the file as UTF-8."
        )
    return text


def read_csv(path: Path, columns: tuple[str, ...] = ()) -> list[TableRow]:
    """Read the rows of a CSV file, its header among them; blank rows are left out.

    Cells may hold any separators and line ends within quotes. The delimiter is the comma, or the
    semicolon or tab if that is what the header needs to hold all of `columns`.

    Args:
        path: The file.
        columns: Columns that the header should hold, in lower case.

    Raises:
        DataError: If the file is missing, not text, not CSV, or ends within quotes.
    """
    text = read_text(path)
    header = io.StringIO(text, newline="").readline()
    delimiter = next(
        (d for d in DELIMITERS if columns and _holds(header, d, columns)), DELIMITERS[0]
    )
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    rows: list[TableRow] = []
    begin = 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                rows.append(TableRow(begin, tuple(cells)))
            begin = reader.line_num + 1
    except csv.Error as error:
        raise DataError(f"{path}, line {begin}: is not a readable CSV row: {error}") from error
    if rows and _is_open(text, rows[-1], delimiter):
        raise DataError(f"{path}, line {rows[-1].line}: opens a quote that is never closed.")
    return rows


def _holds(header: str, delimiter: str, columns: tuple[str, ...]) -> bool:
    try:
        cells = next(csv.reader([header], delimiter=delimiter), [])
    except csv.Error:
        return False
    return set(columns) <= {cell.strip().lower() for cell in cells}


def _is_open(text: str, last: TableRow, delimiter: str) -> bool:
    """Whether the last row ends within quotes, so that it may have swallowed rows."""
    lines = io.StringIO(text, newline="").readlines()
    end = "".join(lines[last.line - 1 :])
    try:
        list(csv.reader(io.StringIO(end, newline=""), delimiter=delimiter, strict=True))
    except csv.Error as error:
        return "end of data" in str(error)
    return False
