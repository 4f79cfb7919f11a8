"""A folder that is exported into again: what the last export wrote there makes way for the new.

The folder holds a list of the files that were exported. Files that are not on it stay, and a failed
export leaves the folder as it was.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path

from pixfoundation.errors import DataError
from pixfoundation.existence import isfile
from pixfoundation.typed_json import read_file

LIST = ".pixfoundation-export.json"
"""Name of the list in the folder."""


@contextmanager
def replacing(out: Path) -> Generator[None]:
    """Let an exporter write into a folder in place of what the last export wrote there.

    Args:
        out: The folder; it may be missing.

    Raises:
        DataError: If the list of the last export cannot be read.
        OSError: If the folder cannot be written.
    """
    before = _listed(out)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as aside:
        _move(before, out, Path(aside))
        others = set(_files(out))
        try:
            yield
        except BaseException:
            for file in set(_files(out)) - others:
                (out / file).unlink()
            _move(before, Path(aside), out)
            raise
        written = sorted(set(_files(out)) - others)
        if written:
            names = [file.as_posix() for file in written]
            (out / LIST).write_text(json.dumps(names, indent=1), encoding="utf-8")


def _listed(out: Path) -> list[Path]:
    """Return the files of the last export that are there, relative to the folder."""
    file = out / LIST
    if not file.is_file():
        return []
    try:
        names = read_file(file, list[str])
    except DataError as error:
        raise DataError(f"{file} is no list of exported files: {error}. Delete it.") from error
    folder = out.resolve()
    return [
        Path(name)
        for name in names
        if isfile(folder / name) and (folder / name).resolve().is_relative_to(folder)
    ]


def _files(out: Path) -> list[Path]:
    """Return all files below a folder, relative to it, without the list."""
    files = (path.relative_to(out) for path in out.rglob("*") if not path.is_dir())
    return [file for file in files if file != Path(LIST)]


def _move(files: Iterable[Path], source: Path, target: Path) -> None:
    """Move files from one folder to another, and remove folders that are empty then."""
    for file in files:
        (target / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.move(source / file, target / file)
        for parent in (source / file).parents:
            if parent == source or any(parent.iterdir()):
                break
            parent.rmdir()
