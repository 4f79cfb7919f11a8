"""Finds and reads the images of a run, from whatever folder and wherever the data has moved."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pixfoundation.errors import DataError
from pixfoundation.existence import exists, isfile

if TYPE_CHECKING:  # most of what reads a run opens no image
    from PIL import Image

MOVED = "If the data has moved since the run, name its folder: `data_root` (--data-root)."
"""What to do where an image is not at its recorded place."""


def find_image(image: Path, run: Path, data_root: Path | None = None) -> Path:
    """Return where the file of a sample lies.

    Args:
        image: The path as the run records it.
        run: The run directory. A relative path, as earlier runs hold it, is looked for from the
            working directory, and then from the run's own folder and those above it.
        data_root: The dataset's folder, if it has moved since. The end of the recorded path is
            looked for in it, the longest end first; None to use the recorded path alone.

    Returns:
        The first file that exists; the recorded path if there is none.
    """
    return next((path for path in _places(image, run, data_root) if isfile(path)), image)


def load_recorded(path: Path, content: bytes | None = None) -> Image.Image:
    """Return the RGB image of a sample.

    Args:
        path: Its file, see `find_image`.
        content: The content of the file, if it was read elsewhere; None to read it here.

    Raises:
        DataError: If it cannot be read; if there is no file, the message says what to do.
    """
    from pixfoundation.images import load_image

    if content is None and not exists(path):
        raise DataError(without_file(path))
    return load_image(path, content)


def without_file(path: Path) -> str:
    """Return what is said of an image whose file is not there."""
    return f"There is no image at {path}. {MOVED}"


def _places(image: Path, run: Path, data_root: Path | None) -> Iterator[Path]:
    parts = [part for part in image.parts if part not in (image.anchor, "..")]
    if data_root is not None:
        for first in range(len(parts)):
            yield data_root.joinpath(*parts[first:])
    yield image
    if not image.is_absolute():
        folder = run.resolve()
        for parent in (folder, *folder.parents):
            yield parent / image
