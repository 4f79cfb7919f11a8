"""Append-only JSON Lines files that survive a kill at any moment.

A line counts once its newline is on disk. A last line without one is torn: readers skip it, a
writer cuts it off before it appends.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Any

from pixfoundation.errors import DataError, RunError
from pixfoundation.typed_json import MOST_BYTES, valid_text

_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Line:
    """A whole line of a file.

    Attributes:
        number: Its number, from 1.
        text: Its bytes without the newline; None if there are more than `MOST_BYTES`.
    """

    number: int
    text: bytes | None


def read_lines(path: Path, *, torn: bool = False) -> Iterator[Line]:
    """Yield the lines that end in a newline, one at a time: files may be larger than memory.

    A missing file has no lines.

    Args:
        path: The file.
        torn: Whether a last line without a newline counts, as in files that others wrote.

    Raises:
        RunError: If the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            left = os.fstat(file.fileno()).st_size  # a device may be readable without end
            number = 0
            while piece := file.readline(min(left, MOST_BYTES + 1)):
                left -= len(piece)
                number += 1
                text = piece[:-1] if piece.endswith(b"\n") else None
                if torn and not left and text is None and len(piece) <= MOST_BYTES:
                    yield Line(number, piece)
                    return
                while not piece.endswith(b"\n"):  # a long line, or the torn last one
                    piece = file.readline(min(left, _BLOCK))
                    left -= len(piece)
                    if not piece:
                        return
                yield Line(number, text)
    except FileNotFoundError:
        return
    except (OSError, ValueError) as error:
        raise RunError(f"{path} cannot be read: {_reason(error)}.") from error


class Appender:
    """Appends JSON objects to a file, each flushed to disk before `append` returns."""

    def __init__(self, path: Path) -> None:
        """Open the file and cut off a torn last line.

        Raises:
            RunError: If the file cannot be opened for writing.
        """
        self.path = path
        try:
            self._file = open(path, "ab+", buffering=0)  # noqa: SIM115 - closed by `close`
            size = os.fstat(self._file.fileno()).st_size
            self._end = _end_of_lines(self._file, size)
            if self._end < size:
                self._file.truncate(self._end)
        except OSError as error:
            raise _write_error(path, error) from error

    def append(self, *values: dict[str, Any]) -> None:
        """Write a line for each value, all at once; on failure the file is as it was before.

        Raises:
            RunError: If the disk is full or the file cannot be written.
            DataError: If a number is NaN or infinite, which no reader would take.
        """
        line = b"".join(_encoded(value) for value in values)
        if not line:
            return
        try:
            written = 0
            while written < len(line):
                written += self._file.write(line[written:])
            os.fsync(self._file.fileno())
        except OSError as error:
            with contextlib.suppress(OSError):  # else the next writer cuts the torn line off
                self._file.truncate(self._end)
            raise _write_error(self.path, error) from error
        self._end += len(line)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Appender:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def write_json(path: Path, value: Any) -> None:
    """Replace a JSON file in one step, so that a reader never sees half of it.

    Raises:
        RunError: If the file cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    text = json.dumps(value, ensure_ascii=False, indent=2) + "\n"
    try:
        with open(temporary, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise _write_error(path, error) from error


def _encoded(value: dict[str, Any]) -> bytes:
    """Return a line; a lone surrogate, which UTF-8 cannot say, becomes U+FFFD."""
    try:
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    except ValueError as error:
        raise DataError(f"A record holds a number that is NaN or infinite ({error}).") from error
    return valid_text(text).encode() + b"\n"


def _end_of_lines(file: FileIO, size: int) -> int:
    """Return where the last whole line ends, read from the end: the file may be large."""
    start = size
    while start > 0:
        stop, start = start, max(start - _BLOCK, 0)
        file.seek(start)
        place = file.read(stop - start).rfind(b"\n")
        if place >= 0:
            return start + place + 1
    return 0


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _write_error(path: Path, error: OSError) -> RunError:
    saved = "What was written before is safe; the same command goes on from there."
    if error.errno == errno.ENOSPC:
        return RunError(f"The disk is full: {path} cannot grow. Free some space. {saved}")
    if error.errno in (errno.EACCES, errno.EROFS, errno.EPERM):
        return RunError(f"{path} cannot be written: {error.strerror}. Choose another folder.")
    return RunError(f"{path} cannot be written: {error.strerror or error}. {saved}")
