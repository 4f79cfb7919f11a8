"""Read image files as a person sees them: upright, in RGB, within a bound of pixels.

`docs/data.md` lists how each kind of image is read. What no rule covers is refused, and what a
conversion loses is said (`ReadImage.notes`).
"""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from pixfoundation.errors import DataError
from pixfoundation.failures import in_short

LIMIT_VARIABLE = "PIXFOUNDATION_MAX_PIXELS"
"""Environment variable with the greatest number of pixels of an image."""
MAX_PIXELS = 178_956_970
"""Greatest number of pixels of an image without the variable, half a gigabyte in RGB."""
ORIENTATION = 0x0112
"""The EXIF tag that says how an image is turned; 1 is upright."""


@dataclass(frozen=True, slots=True)
class ReadImage:
    """An image and what its conversion changed.

    Attributes:
        image: The image, upright and in RGB.
        notes: Sentences without a subject, such as 'has 3 frames, of which the first is read.'
    """

    image: Image.Image
    notes: tuple[str, ...] = ()


def load_image(path: Path | str, content: bytes | None = None) -> Image.Image:
    """Read an image upright and in RGB.

    The orientation in its EXIF data is applied. 16-bit values are scaled by the range of the
    format, floats from 0..1. Transparent images are composited over white.

    Args:
        path: A file in a format that Pillow reads (JPEG, PNG, WebP, TIFF, ...).
        content: The content of the file, if it was read elsewhere.

    Returns:
        The image in mode RGB.

    Raises:
        DataError: If the file is missing, broken, truncated, has more pixels than the limit, or
            has values of unknown range.
    """
    return read_image(path, content).image


def read_image(path: Path | str, content: bytes | None = None) -> ReadImage:
    """Read an image as `load_image` does, together with what the conversion changed.

    Raises:
        DataError: As `load_image`.
    """
    path = Path(path)
    with open_image(path, content) as opened:
        notes: list[str] = []
        frames = getattr(opened, "n_frames", 1)
        if frames > 1 and opened.format != "MPO":  # a photo with its preview
            notes.append(f"has {frames} frames or pages, of which the first is read.")
        upright = ImageOps.exif_transpose(opened)
        return ReadImage(_to_rgb(upright, opened.format or "", notes), tuple(notes))


def grey_image(size: tuple[int, int]) -> Image.Image:
    """Return an image of one grey, which shows nothing.

    Args:
        size: (width, height) in pixels.
    """
    return Image.new("RGB", size, (128, 128, 128))


def image_size(path: Path | str) -> tuple[int, int]:
    """Return the (height, width) of the image that `load_image` returns.

    Only PNG files without an orientation before their pixels are decoded for it.

    Raises:
        DataError: If the file is missing, not an image, or has more pixels than the limit.
    """
    with open_image(Path(path)) as opened:
        width, height = opened.size
        # Pillow gives the size of a TIFF file as it is once turned, that of others as stored
        swapped = orientation_of(opened) >= 5 and opened.format != "TIFF"
    return (width, height) if swapped else (height, width)


def image_orientation(path: Path | str) -> int:
    """Return the EXIF orientation of an image file, 1 (upright) to 8.

    Raises:
        DataError: If the file is missing or not an image.
    """
    with open_image(Path(path)) as opened:
        return orientation_of(opened)


def orientation_of(image: Image.Image) -> int:
    """Return the EXIF orientation of an opened image, 1 to 8; 1 if it states none of these."""
    value = image.getexif().get(ORIENTATION, 1)
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def pixel_limit() -> int:
    """Return the greatest number of pixels that an image may have.

    Raises:
        DataError: If the environment variable `PIXFOUNDATION_MAX_PIXELS` is not a whole number
            from 1.
    """
    text = os.environ.get(LIMIT_VARIABLE, "")
    if not text:
        return MAX_PIXELS
    if not (text.isascii() and text.isdigit() and len(text) < 16 and int(text) > 0):
        raise DataError(
            f"The environment variable {LIMIT_VARIABLE} is a number of pixels from 1, but it is "
            f"{text!r}."
        )
    return int(text)


@contextmanager
def open_image(path: Path, content: bytes | None = None) -> Generator[Image.Image]:
    """Open an image file, not yet decoded; errors inside the block name the file, too.

    Args:
        path: The file.
        content: Its content, if it was read elsewhere.

    Yields:
        The image as Pillow opens it.

    Raises:
        DataError: If the file is missing, not an image, damaged, or has more pixels than the limit.
    """
    limit = pixel_limit()
    own = Image.MAX_IMAGE_PIXELS  # Pillow refuses from twice that on
    if os.environ.get(LIMIT_VARIABLE) and own is not None and limit > own:
        Image.MAX_IMAGE_PIXELS = limit
    try:
        with Image.open(path if content is None else BytesIO(content)) as opened:
            if opened.format == "EPS":
                raise DataError(f"{path} is an EPS file, a program; save it as PNG.")
            width, height = opened.size
            if width * height > limit:
                raise Image.DecompressionBombError(f"{width} x {height} (width x height)")
            yield opened
    except DataError:
        raise
    except FileNotFoundError as error:
        raise DataError(f"There is no image at {path}.") from error
    except IsADirectoryError as error:
        raise DataError(f"{path} is a folder, not an image.") from error
    except UnidentifiedImageError as error:
        raise DataError(f"{path} is not an image in a format that can be read.") from error
    except Image.DecompressionBombError as error:
        raise DataError(
            f"{path} has too many pixels to be decoded safely: {in_short(error)} The limit is "
            f"{limit}; the environment variable {LIMIT_VARIABLE} sets another."
        ) from error
    except MemoryError as error:
        raise DataError(f"The image {path} does not fit into memory.") from error
    except Exception as error:  # damaged files raise almost anything in Pillow's decoders
        reason = str(error) or type(error).__name__
        raise DataError(f"The image {path} cannot be read: {reason}") from error


def _to_rgb(image: Image.Image, format: str, notes: list[str]) -> Image.Image:
    """Convert an upright image to RGB; refuse values whose range is not known."""
    mode = image.mode
    if mode.startswith("I") or mode == "F":
        return _scaled(image, format, notes)
    if mode == "CMYK":
        notes.append("is CMYK, converted without its colour profile.")
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        lowest, highest = rgba.getchannel("A").getextrema()
        if highest == 0:
            notes.append("is transparent everywhere, so it is read as white.")
        elif lowest < 255:  # pyright: ignore[reportOperatorIssue] - 8-bit extrema are numbers
            notes.append("is transparent in places, which are read as white.")
        return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
    return image.convert("RGB")


def _scaled(image: Image.Image, format: str, notes: list[str]) -> Image.Image:
    """Scale grey values of more than 8 bits to 0..255 by the range of their format.

    Sixteen bits range over 0..65535; Pillow opens some of them in its mode of 32 bits. Floats
    range over 0..1. Other integers and floats have no range that a file states.
    """
    values: NDArray[Any] = np.asarray(image)
    if image.mode == "F":
        lowest, highest = float(np.min(values)), float(np.max(values))
        if not (lowest >= 0 and highest <= 1):  # so that NaN is refused
            raise ValueError(
                f"its values are floats from {lowest:g} to {highest:g}, but expected 0 to 1: "
                "scale them, or save the image with 8 bits."
            )
        notes.append("holds floats; 0..1 is scaled to 0..255.")
        scaled = values * 255.0
    else:
        if image.mode == "I" and format not in ("PNG", "PPM"):
            raise ValueError(
                f"its values are integers of 32 bits from {int(np.min(values))} to "
                f"{int(np.max(values))}, whose range is not known: save it with 8 or 16 bits."
            )
        notes.append("holds 16 bits; 0..65535 is scaled to 0..255.")
        scaled = values / 257.0
    return Image.fromarray(np.rint(scaled).astype(np.uint8)).convert("RGB")
