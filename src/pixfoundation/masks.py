"""Binary masks as COCO run-length encodings, combined and measured without decoding.

Frame: a mask lies in the pixels of the original image, rows from the top, columns from the left.
"""

from __future__ import annotations

import base64
import binascii
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pycocotools import mask as _coco

from pixfoundation.errors import DataError

MAX_PIXELS = 250_000_000
"""Upper limit for the size of a mask; a file that claims more is damaged."""
PREVIEW_SIDE = 480
"""Longest side in pixels of the picture of a mask in a notebook."""
MAX_COORDINATE = 100_000
"""Upper limit for the coordinates of a polygon, in pixels."""
MAX_OUTLINE = 2_000_000
"""Upper limit for the length of a mask's outlines, in pixels: drawing takes memory for it."""

coco: Any = _coco
"""pycocotools, untyped: its stubs are narrower than what its functions accept."""


@dataclass(frozen=True, slots=True)
class Mask:
    """A binary mask of one image.

    Attributes:
        size: (height, width) in pixels.
        counts: COCO's compressed run lengths in column-major order.

    Example:
        >>> square = Mask.from_array([[1, 1, 0], [1, 1, 0]])
        >>> square.area, square.size
        (4, (2, 3))
        >>> square.iou(Mask.full((2, 3)))
        0.6666666666666666
    """

    size: tuple[int, int]
    counts: bytes
    _area: int | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        height, width = self.size
        if height < 1 or width < 1:
            raise DataError(f"A mask needs a positive height and width, but got {self.size}.")

    # ---- constructors ------------------------------------------------------------------------

    @classmethod
    def from_array(cls, array: ArrayLike) -> Mask:
        """Encode an array.

        Args:
            array: [height, width], boolean or numeric; every value other than zero is foreground.

        Raises:
            DataError: If the array is not two-dimensional or has no pixels.
        """
        values = np.asarray(array)
        if values.ndim != 2 or values.size == 0:
            raise DataError(f"A mask is an array [height, width], but got shape {values.shape}.")
        rle = coco.encode(np.asfortranarray(values != 0, dtype=np.uint8))
        return cls((int(values.shape[0]), int(values.shape[1])), rle["counts"])

    @classmethod
    def empty(cls, size: tuple[int, int]) -> Mask:
        """Return a mask of that (height, width) without foreground."""
        return cls(size, _canonical(size, [size[0] * size[1]]))

    @classmethod
    def full(cls, size: tuple[int, int]) -> Mask:
        """Return a mask of that (height, width) with every pixel in the foreground."""
        return cls(size, _canonical(size, [0, size[0] * size[1]]))

    @classmethod
    def from_rle(cls, segmentation: Mapping[str, Any]) -> Mask:
        """Read a COCO run-length dictionary `{"size": [height, width], "counts": ...}`.

        Args:
            segmentation: Run lengths with their size. `counts` is a list of run lengths, COCO's
                compressed string (str or bytes), or that string in base64.

        Raises:
            DataError: If a key is missing or damaged, or the runs do not fill the size exactly.
        """
        try:
            height, width = (int(side) for side in segmentation["size"])
            counts = segmentation["counts"]
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise DataError(
                "A run-length encoding needs 'size': [height, width] and 'counts'."
            ) from error
        if height < 1 or width < 1:
            raise DataError(f"A mask needs a positive height and width, but got {height, width}.")
        if height * width > MAX_PIXELS:
            raise DataError(f"A mask of {height} x {width} pixels is larger than any image.")
        if not isinstance(counts, (list, str, bytes)):
            raise DataError(
                "The counts of a run-length encoding are a list or a string, but got "
                f"{type(counts).__name__}."
            )
        if isinstance(counts, list):
            return cls._from_runs((height, width), cast("list[Any]", counts))
        raw = counts.encode("ascii", "replace") if isinstance(counts, str) else bytes(counts)
        for candidate in _spellings(raw):
            runs = _read_runs(candidate)
            if runs is not None and int(runs.sum()) == height * width:
                return cls((height, width), _canonical((height, width), runs.tolist()))
        raise DataError(
            f"The run lengths do not fill a mask of {height} x {width} pixels: "
            "the encoding is damaged or of another size."
        )

    @classmethod
    def _from_runs(cls, size: tuple[int, int], runs: list[Any]) -> Mask:
        valid = all(type(run) is int and run >= 0 for run in runs)
        if not valid or sum(runs) != size[0] * size[1]:
            raise DataError(
                f"Run lengths for {size[0]} x {size[1]} pixels must be whole numbers from 0 that "
                f"add up to {size[0] * size[1]}, but got {len(runs)} of them"
                + (f" with the sum {sum(runs)}." if valid else ".")
            )
        return cls(size, _canonical(size, runs))

    @classmethod
    def from_box(cls, box: tuple[float, float, float, float], size: tuple[int, int]) -> Mask:
        """Fill the pixels of a (height, width) whose centres lie within a box.

        Args:
            box: (x0, y0, x1, y1) in pixels, ends exclusive; what lies outside is cut off.
            size: (height, width) of the image.

        Raises:
            DataError: If a value is not a finite number, or the box has no extent.

        Example:
            >>> Mask.from_box((1, 0, 3, 1), (2, 4)).decode().astype(int).tolist()
            [[0, 1, 1, 0], [0, 0, 0, 0]]
        """
        if not all(np.isfinite(box)) or box[2] <= box[0] or box[3] <= box[1]:
            raise DataError(f"A box is x0, y0, x1, y1 with x0 < x1 and y0 < y1, but got {box}.")
        rows, columns = (np.arange(side) + 0.5 for side in size)
        down = (rows >= box[1]) & (rows < box[3])
        across = (columns >= box[0]) & (columns < box[2])
        return cls.from_array(down[:, None] & across[None, :])

    @classmethod
    def from_polygons(cls, polygons: Sequence[Sequence[float]], size: tuple[int, int]) -> Mask:
        """Fill polygons as COCO does and return their union.

        Args:
            polygons: One flat sequence x0, y0, x1, y1, ... per polygon, in pixels of the image.
            size: (height, width) of the image.

        Raises:
            DataError: If a polygon has fewer than three points, an odd number of values, or
                values that are not numbers or exceed `MAX_COORDINATE`, or if the outlines are
                longer than `MAX_OUTLINE`.
        """
        outline = 0.0
        for polygon in polygons:
            if len(polygon) < 6 or len(polygon) % 2:
                raise DataError(
                    f"A polygon needs at least three points (six values), but got {len(polygon)} "
                    "values."
                )
            values: Sequence[Any] = polygon  # read from files, so they may be anything
            if not all(type(v) in (int, float) and abs(v) <= MAX_COORDINATE for v in values):
                raise DataError(
                    "A polygon has a value that is not a pixel coordinate: expected numbers up to "
                    f"{MAX_COORDINATE}."
                )
            outline += _length(values)
        if outline > MAX_OUTLINE:
            raise DataError(
                f"The outline of the polygons is {outline:.0f} pixels long; the limit is "
                f"{MAX_OUTLINE}."
            )
        if not polygons:
            return cls.empty(size)
        encoded = coco.frPyObjects([list(map(float, p)) for p in polygons], *size)
        return cls(size, coco.merge(encoded)["counts"])

    # ---- one mask --------------------------------------------------------------------------

    @property
    def area(self) -> int:
        """Number of foreground pixels; counted once."""
        if self._area is None:
            object.__setattr__(self, "_area", int(coco.area(_rle(self))))
        return cast("int", self._area)

    @property
    def is_empty(self) -> bool:
        """Whether the mask has no foreground."""
        return self.area == 0

    @property
    def box(self) -> tuple[float, float, float, float]:
        """The tight box (x0, y0, x1, y1) in pixels, ends exclusive; zeros for an empty mask."""
        x, y, width, height = (float(v) for v in coco.toBbox(_rle(self)))
        return (x, y, x + width, y + height)

    def decode(self) -> NDArray[np.bool_]:
        """Return the mask as a boolean array [height, width]."""
        return coco.decode(_rle(self)).astype(bool)

    def contains(self, x: float, y: float) -> bool:
        """Return whether the pixel at the point (x, y) is foreground; False outside the image."""
        height, width = self.size
        column, row = int(np.floor(x)), int(np.floor(y))
        if not (0 <= column < width and 0 <= row < height):
            return False
        return bool(self.decode()[row, column])

    # ---- two masks -------------------------------------------------------------------------

    def intersection(self, other: Mask) -> int:
        """Return the number of pixels that are foreground in both masks.

        Raises:
            DataError: If the sizes differ.
        """
        _check_same_size(self, other)
        return int(coco.area(coco.merge([_rle(self), _rle(other)], intersect=True)))

    def iou(self, other: Mask) -> float:
        """Return the intersection over union, 0..1: 1 if both masks are empty, 0 if one is.

        Raises:
            DataError: If the sizes differ.
        """
        intersection = self.intersection(other)
        union = self.area + other.area - intersection
        return intersection / union if union else 1.0

    def resize_nearest(self, size: tuple[int, int]) -> Mask:
        """Return the mask resized to (height, width), by nearest neighbour at pixel centres."""
        rows = ((np.arange(size[0]) + 0.5) * self.size[0] / size[0]).astype(int)
        columns = ((np.arange(size[1]) + 0.5) * self.size[1] / size[1]).astype(int)
        return Mask.from_array(self.decode()[np.ix_(rows, columns)])

    # ---- in and out of JSON ----------------------------------------------------------------

    def to_json(self) -> dict[str, Any]:
        """Return the COCO dictionary `{"size": [height, width], "counts": text}`."""
        return {"size": list(self.size), "counts": self.counts.decode("ascii")}

    def _repr_png_(self) -> bytes:
        """Return the mask as a PNG file, white on black, for notebooks."""
        from PIL import Image

        height, width = self.size
        scale = min(1.0, PREVIEW_SIDE / max(self.size))
        image = Image.fromarray(np.uint8(255) * self.decode()).resize(
            (max(round(width * scale), 1), max(round(height * scale), 1)), Image.Resampling.NEAREST
        )
        buffer = io.BytesIO()
        image.save(buffer, "PNG")
        return buffer.getvalue()


def union(masks: Iterable[Mask]) -> Mask:
    """Return the union of the masks of one image.

    Raises:
        DataError: If there are no masks or their sizes differ.
    """
    members = list(masks)
    if not members:
        raise DataError("A union needs at least one mask, but got none.")
    for mask in members[1:]:
        _check_same_size(members[0], mask)
    if len(members) == 1:
        return members[0]
    return Mask(members[0].size, coco.merge([_rle(mask) for mask in members])["counts"])


def difference(mask: Mask, other: Mask, keep: Mask | None = None) -> Mask:
    """Return a mask without the foreground of another.

    Args:
        mask: The mask.
        other: What is taken away.
        keep: Pixels that stay even if `other` holds them; None for none.

    Raises:
        DataError: If the sizes differ.

    Example:
        >>> row = difference(Mask.full((1, 3)), Mask.from_array([[1, 1, 0]]))
        >>> row.decode().astype(int)
        array([[0, 0, 1]])
    """
    members = (mask, other) if keep is None else (mask, other, keep)
    for member in members[1:]:
        _check_same_size(mask, member)
    taken = other.decode() if keep is None else other.decode() & ~keep.decode()
    return Mask.from_array(mask.decode() & ~taken)


def intersections(masks: Sequence[Mask], target: Mask) -> NDArray[np.int64]:
    """Count the foreground pixels that each mask has in common with a target.

    Args:
        masks: n masks of the target's size.
        target: The mask that each of them is compared with.

    Returns:
        int64 [n].

    Raises:
        DataError: If the sizes differ.
    """
    return np.array([mask.intersection(target) for mask in masks], dtype=np.int64)


def ious(masks: Sequence[Mask], target: Mask) -> NDArray[np.float64]:
    """Return the intersection over union of each mask with a target.

    Args:
        masks: n masks of the target's size.
        target: The mask that each of them is compared with.

    Returns:
        float64 [n], 0..1: 1 if both masks are empty, 0 if one of them is.

    Raises:
        DataError: If the sizes differ.
    """
    if not masks:
        return np.zeros(0)
    for mask in masks:
        _check_same_size(mask, target)
    if target.is_empty:  # pycocotools gives 0 for two empty masks
        return np.array([float(mask.is_empty) for mask in masks])
    return coco.iou([_rle(mask) for mask in masks], [_rle(target)], [False])[:, 0]


def _rle(mask: Mask) -> dict[str, Any]:
    return {"size": list(mask.size), "counts": mask.counts}


def _check_same_size(first: Mask, second: Mask) -> None:
    if first.size != second.size:
        raise DataError(
            f"Masks of one image must have the same size, but got {first.size} and {second.size} "
            "(height, width)."
        )


def _spellings(raw: bytes) -> Iterable[bytes]:
    """Yield the ways to read a counts string: as it is, then unwrapped from base64."""
    yield raw
    try:
        yield base64.b64decode(raw, validate=True)
    except (binascii.Error, ValueError):
        return


def _read_runs(counts: bytes) -> NDArray[np.int64] | None:
    """Read the run lengths of COCO's compressed string, int64 [runs]; None if it is damaged.

    pycocotools reads past the end of a damaged string, so the string is checked first. Format:
    groups of 5 bits, low bits first, offset 48; bit 5 marks that more groups follow, bit 4 of the
    last group is the sign. From the fourth run on, the difference to the run two places before is
    stored.
    """
    groups = np.frombuffer(counts, dtype=np.uint8).astype(np.int64) - 48
    if not groups.size or groups.min() < 0 or groups.max() > 63 or groups[-1] & 32:
        return None
    ends = np.flatnonzero(groups & 32 == 0)
    starts = np.concatenate([[0], ends[:-1] + 1])
    lengths = ends - starts + 1
    if lengths.max() > 7:  # 35 bits: more pixels than any image has
        return None
    places = np.arange(groups.size) - np.repeat(starts, lengths)
    runs = np.add.reduceat((groups & 31) << (5 * places), starts)
    runs -= np.where(groups[ends] & 16, np.int64(1) << (5 * lengths), 0)
    runs[1::2] = np.cumsum(runs[1::2])
    runs[2::2] = np.cumsum(runs[2::2])
    return None if runs.min() < 0 else runs


def _length(polygon: Sequence[float]) -> float:
    """Return the length of an outline in pixels, the longer of both axes for each side."""
    points = np.array(polygon, dtype=float).reshape(-1, 2)
    inner = np.abs(points[1:] - points[:-1]).max(axis=1).sum()
    return float(inner + np.abs(points[-1] - points[0]).max())


def _canonical(size: tuple[int, int], runs: list[int]) -> bytes:
    """Encode run lengths without empty runs, so that equal masks have equal counts."""
    if 0 in runs[1:]:
        lengths = np.asarray(runs, dtype=np.int64)
        is_foreground = np.arange(lengths.size) % 2 == 1
        lengths, is_foreground = lengths[lengths > 0], is_foreground[lengths > 0]
        starts = np.flatnonzero(np.concatenate([[True], is_foreground[1:] != is_foreground[:-1]]))
        joined = np.add.reduceat(lengths, starts).tolist()
        runs = [0, *joined] if is_foreground[0] else joined
    return coco.frPyObjects({"size": list(size), "counts": runs}, *size)["counts"]
