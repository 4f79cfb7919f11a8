"""Mask files: images of any mode, read as masks rather than as pictures.

What counts as inside, by what the file holds (docs/data.md shows the same as a table):

* transparency: what is opaque;
* two values: what is not 0;
* a palette: every index but 0; colours: all but black;
* more values: soft edges are cut at half the range; areas of several values are instances and are
  united, unless `values` names some of them.

A file whose values contradict each other or leave no outside is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from pixfoundation.errors import DataError
from pixfoundation.images import open_image, orientation_of, pixel_limit
from pixfoundation.wording import counted

Flags = NDArray[np.bool_]

SHOWN = 6
"""Number of values that a message lists."""
MAX_COLOURS = 256
"""Most colours of a mask file; a file with more is a picture."""
MAX_BETWEEN = 0.05
"""Largest share of a lossy file's pixels whose value is far from both 0 and the brightest."""
LOSSY = frozenset({"JPEG", "MPO", "JPEG2000", "WEBP", "AVIF"})
"""Formats whose compression may change values."""


@dataclass(frozen=True, slots=True)
class MaskImage:
    """A mask file as read.

    Attributes:
        foreground: bool [height, width].
        notes: Sentences without a subject about what is odd, such as 'holds 3 values ...'.
        turned: Whether an orientation in the file's own EXIF data was applied.
    """

    foreground: Flags
    notes: tuple[str, ...] = ()
    turned: bool = False


@dataclass(frozen=True, slots=True)
class _Levels:
    """Grey values with their range.

    Attributes:
        values: Numbers [height, width] from 0.
        full: The value that stands for 'wholly inside' in soft edges.
        lossy: The format if its compression may have changed the values, else None.
    """

    values: NDArray[Any]
    full: float
    lossy: str | None = None


def read_mask_image(path: Path, values: Sequence[Any] | None = None) -> MaskImage:
    """Read a mask file.

    Args:
        path: The file.
        values: Which of the file's values are inside: grey values or palette indices, or colours
            as [red, green, blue]; None for the rules of this module.

    Returns:
        The mask at the size of the file, upright if the file has an orientation.

    Raises:
        DataError: If the file cannot be read, is not a mask, or has none of `values`.
    """
    if path.suffix.lower() == ".npy":
        return _read_array_file(path, values)
    with open_image(path) as opened:
        if getattr(opened, "n_frames", 1) > 1 and opened.format != "MPO":
            raise DataError(f"{path} holds {opened.n_frames} pages; a mask file holds one mask.")  # pyright: ignore[reportAttributeAccessIssue]
        format = opened.format or ""
        turned = orientation_of(opened) != 1
        upright = ImageOps.exif_transpose(opened)
        notes: list[str] = []
        try:
            foreground = _inside(upright, format, values, notes)
        except _NotAMask as error:
            raise DataError(f"{path} {error}") from error
    return MaskImage(foreground, tuple(notes), turned)


def _read_array_file(path: Path, values: Sequence[Any] | None) -> MaskImage:
    """Read an array of NumPy, [height, width]; see `read_mask_image`."""
    try:
        stored: Any = np.lib.format.open_memmap(path, mode="r")  # pickled objects are refused
    except FileNotFoundError as error:
        raise DataError(f"There is no mask at {path}.") from error
    except (OSError, ValueError, EOFError, TypeError, SyntaxError) as error:
        raise DataError(f"{path} cannot be read as an array: {error}") from error
    shape = tuple(side for side in stored.shape if side != 1) if stored.ndim > 2 else stored.shape
    if len(shape) != 2 or 0 in shape or shape[0] * shape[1] > pixel_limit():
        raise DataError(f"{path} is an array of shape {list(stored.shape)}, not [height, width].")
    array: NDArray[Any] = np.asarray(stored).reshape(shape)
    notes: list[str] = []
    if array.dtype.kind not in "buif":
        raise DataError(f"{path} is an array of {array.dtype}, not of numbers or truth values.")
    try:
        if array.dtype.kind == "f":
            levels = _float_levels(array)
        elif array.min() < 0:
            raise _NotAMask(f"holds negative values, down to {int(array.min())}.")
        else:
            whole = array.astype(np.uint8) if array.dtype.kind == "b" else array
            highest = 1 if array.dtype.kind == "b" else int(whole.max())
            levels = _Levels(whole, 1 if highest <= 1 else 255 if highest <= 255 else 65535)
        if values is None:
            return MaskImage(_levels_inside(levels, notes), tuple(notes), False)
    except _NotAMask as error:
        raise DataError(f"{path} {error}") from error
    chosen = np.isin(array, [value for value in values if isinstance(value, int | float)])
    if not chosen.any():
        raise DataError(f"{path} holds none of the values {list(values)}.")
    return MaskImage(chosen, (), False)


class _NotAMask(DataError):
    """The file cannot be read as a mask; the message lacks its subject."""


def _inside(
    image: Image.Image, format: str, values: Sequence[Any] | None, notes: list[str]
) -> Flags:
    if image.mode not in _KNOWN:
        raise _NotAMask(f"is of mode {image.mode}; a mask file is grey, with a palette, or RGB.")
    if values is not None:
        return _chosen(image, values)
    if image.has_transparency_data:
        rgba = np.asarray(image.convert("RGBA"))
        if (rgba[..., 3] < 255).any():
            return _opaque(rgba, notes)
        image = image.convert("RGB") if image.mode != "P" else image
    if image.mode == "P":
        return _indexed(image, notes)
    return _levels_inside(_levels(image, format), notes)


_KNOWN = frozenset(
    {"1", "L", "P", "RGB", "RGBA", "RGBX", "LA", "La", "RGBa", "PA", "I", "F"}
    | {"I;16", "I;16L", "I;16B", "I;16N"}
)


def _opaque(rgba: NDArray[np.uint8], notes: list[str]) -> Flags:
    """Return what is opaque, unless the colours of the opaque part are a mask themselves."""
    alpha = rgba[..., 3]
    if not alpha.any():
        raise _NotAMask("is transparent everywhere, so nothing is inside.")
    foreground = alpha >= 128
    between = int(((alpha > 0) & (alpha < 255)).sum())
    if between:
        notes.append(f"has {between} half transparent pixels; from half on they are inside.")
    colours = np.unique(rgba[foreground][:, :3], axis=0)
    if len(colours) == 2 and not colours[0].any():
        raise _NotAMask(
            "is transparent in places and black and another colour in others, so it is not clear "
            "what is inside: save it without transparency."
        )
    return foreground


def _indexed(image: Image.Image, notes: list[str]) -> Flags:
    """Return every palette index but 0, unless the palette says that another one is black."""
    indices = np.asarray(image)
    used = np.unique(indices)
    palette = np.asarray(image.convert("RGB")).reshape(-1, 3)
    flat = indices.ravel()
    colours = {int(i): palette[np.argmax(flat == i)] for i in used}
    black = [i for i, colour in colours.items() if i and not colour.any()]
    if 0 in colours and colours[0].any() and black:
        raise _NotAMask(
            f"has a palette in which index 0 is not black but index {black[0]} is, so it is not "
            "clear which of them is outside: save it in grey, with 0 outside."
        )
    if used.size > 2:
        notes.append(_several(used[used > 0].tolist()))
    if 0 not in colours:
        _check_outside(used.tolist())
    return indices > 0


def _levels(image: Image.Image, format: str) -> _Levels:
    """Bring an opaque image to one value a pixel; different colours become numbers."""
    lossy = format if format in LOSSY else None
    if image.mode == "1":
        return _Levels(np.asarray(image).astype(np.uint8), 1)
    if image.mode in ("L", "LA", "La"):
        return _Levels(np.asarray(image.convert("L")), 255, lossy)
    if image.mode == "F":
        return _float_levels(np.asarray(image))
    if image.mode.startswith("I"):
        values: NDArray[Any] = np.asarray(image)
        if values.min() < 0:
            raise _NotAMask(f"holds negative values, down to {int(values.min())}.")
        return _Levels(values, 255 if values.max() <= 255 else 65535)
    rgb = np.asarray(image.convert("RGB"))
    if (rgb[..., 0] == rgb[..., 1]).all() and (rgb[..., 1] == rgb[..., 2]).all():
        return _Levels(rgb[..., 0], 255, lossy)
    return _coloured(rgb, lossy)


def _coloured(rgb: NDArray[np.uint8], lossy: str | None) -> _Levels:
    """Return the brightness of shades of one colour, or a number for each of several colours."""
    brightness = rgb.max(axis=2).astype(int)
    brightest = rgb.reshape(-1, 3)[brightness.argmax()].astype(int)
    shades = brightness[..., None] * brightest / brightest.max()
    tolerance = 40 if lossy else 2
    if (np.abs(rgb - shades) <= tolerance).all():
        return _Levels(np.rint(brightness * (255 / brightest.max())), 255, lossy)
    if lossy:
        raise _NotAMask(
            f"is a {lossy} file of several colours, which compression has changed: save it as PNG."
        )
    codes = (rgb[..., 0].astype(int) << 16) | (rgb[..., 1].astype(int) << 8) | rgb[..., 2]
    distinct = np.unique(codes)
    if distinct.size > MAX_COLOURS:
        raise _NotAMask(f"has {distinct.size} colours: it is a picture and not a mask.")
    return _Levels(codes, 1 << 24)


def _float_levels(values: NDArray[Any]) -> _Levels:
    if not np.isfinite(values).all():
        raise _NotAMask("holds values that are not finite numbers.")
    lowest, highest = float(values.min()), float(values.max())
    if lowest >= 0 and highest <= 1:
        return _Levels(values, 1)
    if lowest >= 0 and (values == np.rint(values)).all():
        return _Levels(values, 255 if highest <= 255 else 65535)
    raise _NotAMask(f"holds floats from {lowest:g} to {highest:g}; a mask has 0 to 1, or integers.")


def _levels_inside(levels: _Levels, notes: list[str]) -> Flags:
    values = levels.values
    distinct = np.unique(values)
    if levels.lossy and (distinct.size > 2 or levels.lossy == "JPEG"):
        return _cut_lossy(values, levels.lossy, notes)
    if distinct.size <= 2:
        _check_outside(distinct.tolist())
        return values != 0
    if levels.full < 1 << 24 and _is_soft(values, levels.full):
        notes.append(
            f"has {counted(distinct.size, 'value')}; from half of {levels.full:g} on they "
            "are inside."
        )
        return values >= levels.full / 2
    _check_outside(distinct.tolist())
    notes.append(_several([v for v in distinct.tolist() if v]))
    return values != 0


def _cut_lossy(values: NDArray[Any], format: str, notes: list[str]) -> Flags:
    """Cut at half of the brightest value; values scatter around the two that the mask had."""
    brightest = int(values.max())
    if not brightest:
        return values != 0
    if brightest < 64:
        raise _NotAMask(
            f"is a {format} file whose brightest value is {brightest}: compression has blurred "
            "its values. Save it as PNG, or with 255 inside."
        )
    between = np.mean((values > brightest / 4) & (values < brightest * 3 / 4))
    if between > MAX_BETWEEN:
        raise _NotAMask(
            f"is a {format} file with {between:.0%} of its values between outside and inside: "
            "compression has changed them, or it is a picture. Save masks as PNG."
        )
    if values.min() > brightest / 4:
        _check_outside([int(values.min()), brightest])
    if ((values > 0) & (values < 255)).any():
        notes.append(f"is a {format} file; values from half of {brightest} on are inside.")
    return values >= brightest / 2


def _is_soft(values: NDArray[Any], full: float) -> bool:
    """Whether the values between 0 and the highest are soft edges and not areas of their own.

    Soft edges reach half of the range, and few of their pixels have eight neighbours of just the
    same value; areas mostly consist of such pixels.
    """
    highest = values.max()
    if highest < full / 2:
        return False
    between = (values > 0) & (values < highest)
    flat = np.zeros(values.shape, bool)
    if min(values.shape) > 2:
        flat[1:-1, 1:-1] = True
        height, width = values.shape
        for down in range(3):
            for across in range(3):
                part = values[down : height - 2 + down, across : width - 2 + across]
                flat[1:-1, 1:-1] &= part == values[1:-1, 1:-1]
    return bool((flat & between).sum() < 0.1 * between.sum())


def _chosen(image: Image.Image, values: Sequence[Any]) -> Flags:
    """Return the pixels that have one of the given values."""
    foreground = np.zeros((image.height, image.width), bool)
    colours = [tuple(v) for v in values if isinstance(v, (list, tuple))]
    numbers = [v for v in values if isinstance(v, (int, float)) and not isinstance(v, bool)]
    if len(colours) + len(numbers) != len(values) or not values:
        raise _NotAMask("is read by `values`, a list of numbers or of [red, green, blue].")
    if colours:
        rgb = np.asarray(image.convert("RGB"))
        for colour in colours:
            if len(colour) != 3:
                raise _NotAMask(f"is read by colours of three numbers, but got {list(colour)}.")
            foreground |= (rgb == np.asarray(colour)).all(axis=2)
    if numbers:
        if image.mode in ("RGB", "RGBA", "RGBX", "RGBa"):
            rgb = np.asarray(image.convert("RGB"))
            if not (rgb == rgb[..., :1]).all():
                raise _NotAMask("is in colour: `values` are lists [red, green, blue].")
            grey: NDArray[Any] = rgb[..., 0]
        elif image.mode in ("LA", "La"):
            grey = np.asarray(image.convert("LA"))[..., 0]
        elif image.mode == "PA":
            grey = np.asarray(image.getchannel("P"))
        else:
            grey = np.asarray(image)
        foreground |= np.isin(grey, numbers)
    if not foreground.any():
        raise _NotAMask(f"has no pixel of the values {list(values)}.")
    return foreground


def _check_outside(distinct: list[Any]) -> None:
    """Refuse a mask of several values none of which is 0: it is not clear what is outside."""
    if len(distinct) > 1 and 0 not in distinct:
        raise _NotAMask(
            f"has no pixel of value 0, but {_listed(distinct)}: it is not clear what is outside. "
            "Outside is 0; or name the values that are inside (`values`)."
        )


def _several(distinct: list[Any]) -> str:
    return (
        f"holds {counted(len(distinct), 'value')} besides 0 ({_listed(distinct)}), perhaps "
        "several instances; "
        'all count as inside. {"file": ..., "values": [...]} chooses among them.'
    )


def _listed(distinct: list[Any]) -> str:
    texts = [f"{v:g}" if v < 1 << 17 else f"#{int(v):06x}" for v in distinct[:SHOWN]]
    return ", ".join(texts) + (", ..." if len(distinct) > SHOWN else "")
