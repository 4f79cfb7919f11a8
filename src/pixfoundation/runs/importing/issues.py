"""Problems of imported files: each is named, and nothing is guessed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pixfoundation.datasets.text_files import read_text


@dataclass(frozen=True, slots=True)
class Issue:
    """A problem of an imported file.

    Attributes:
        file: The file.
        message: What is wrong, and what was done about it.
        line: Number of the line, from 1; None for the whole file.
    """

    file: Path
    message: str
    line: int | None = None

    def __str__(self) -> str:
        place = f", line {self.line}" if self.line is not None else ""
        return f"{self.file}{place}: {self.message}"


def numbers_of_lines(path: Path) -> list[int]:
    """Return the numbers of the lines of a file that hold anything, from 1.

    Raises:
        DataError: If the file is missing or not text.
    """
    lines = read_text(path).split("\n")
    return [number for number, line in enumerate(lines, start=1) if line.strip()]


def read_rows(path: Path, issues: list[Issue]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield line number and object of a JSON Lines file; any other line is an issue.

    Raises:
        DataError: If the file is missing or not text.
    """
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            issues.append(Issue(path, "is not valid JSON; skipped.", number))
            continue
        if not isinstance(row, dict):
            issues.append(Issue(path, "is not a JSON object; skipped.", number))
            continue
        yield number, row
