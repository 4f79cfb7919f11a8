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
from pathlib import Path
from types import TracebackType
from typing import Any

from pixfoundation.errors import RunError


def read_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the line number, from 1, and the object of every whole line.

    A missing file has no lines.

    Raises:
        RunError: If a whole line is not a JSON object; the message names file and line.
    """
    for number, line in enumerate(_whole_lines(path), start=1):
        try:
            value = json.loads(line)
        except ValueError as error:
            raise RunError(
                f"{path}, line {number}: not valid JSON ({error}). Delete that line to have its "
                "entry computed again."
            ) from error
        if not isinstance(value, dict):
            raise RunError(f"{path}, line {number}: expected a JSON object, but got {value!r}.")
        yield number, value


def _whole_lines(path: Path) -> Iterator[bytes]:
    """Yield the lines that end in a newline, one at a time: files may be larger than memory."""
    try:
        with path.open("rb") as file:
            left = os.fstat(file.fileno()).st_size  # a device may be readable without end
            while (line := file.readline(left)).endswith(b"\n"):
                left -= len(line)
                yield line
    except FileNotFoundError:
        return
    except OSError as error:
        raise RunError(f"{path} cannot be read: {error.strerror}.") from error


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
            self._file.seek(0)
            size = os.fstat(self._file.fileno()).st_size  # a device may be readable without end
            data = self._file.read(size)
            self._end = data.rfind(b"\n") + 1
            if self._end < size:
                self._file.truncate(self._end)
        except OSError as error:
            raise _write_error(path, error) from error

    def append(self, value: dict[str, Any]) -> None:
        """Write one line; on failure the file is as it was before.

        Raises:
            RunError: If the disk is full or the file cannot be written.
        """
        line = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
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


def _write_error(path: Path, error: OSError) -> RunError:
    saved = "What was written before is safe; the same command goes on from there."
    if error.errno == errno.ENOSPC:
        return RunError(f"The disk is full: {path} cannot grow. Free some space. {saved}")
    if error.errno in (errno.EACCES, errno.EROFS, errno.EPERM):
        return RunError(f"{path} cannot be written: {error.strerror}. Choose another folder.")
    return RunError(f"{path} cannot be written: {error.strerror or error}. {saved}")
