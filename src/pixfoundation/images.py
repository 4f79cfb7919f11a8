"""Read image files, upright and in RGB."""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageOps, UnidentifiedImageError

from pixfoundation.errors import DataError


def load_image(path: Path | str) -> Image.Image:
    """Read an image upright and in RGB.

    EXIF rotation is applied. Grey and palette images are converted to RGB; transparent images are
    composited over white.

    Args:
        path: A file in a format that Pillow reads (JPEG, PNG, WebP, ...).

    Returns:
        The image in mode RGB.

    Raises:
        DataError: If the file is missing, broken, truncated, or too large to be decoded safely.
    """
    path = Path(path)
    try:
        with Image.open(path) as opened:
            upright = ImageOps.exif_transpose(opened)
            if upright.has_transparency_data:
                rgba = upright.convert("RGBA")
                return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert(
                    "RGB"
                )
            return upright.convert("RGB")
    except FileNotFoundError as error:
        raise DataError(f"There is no image at {path}.") from error
    except IsADirectoryError as error:
        raise DataError(f"{path} is a folder, not an image.") from error
    except UnidentifiedImageError as error:
        raise DataError(f"{path} is not an image in a format that can be read.") from error
    except Image.DecompressionBombError as error:
        raise DataError(f"{path} has too many pixels to be decoded safely: {error}") from error
    except (OSError, SyntaxError, ValueError) as error:
        raise DataError(f"The image {path} cannot be read: {error}") from error


def image_size(path: Path | str) -> tuple[int, int]:
    """Return the (height, width) of the image that `load_image` would return, without decoding it.

    Raises:
        DataError: If the file is missing or not an image.
    """
    path = Path(path)
    try:
        with Image.open(path) as opened:
            width, height = opened.size
            turned = opened.getexif().get(0x0112, 1) >= 5  # EXIF orientations 5 to 8 swap the axes
    except FileNotFoundError as error:
        raise DataError(f"There is no image at {path}.") from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"The image {path} cannot be read: {error}") from error
    return (width, height) if turned else (height, width)
