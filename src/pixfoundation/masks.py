"""Binary masks as COCO run-length encodings: made, combined, measured, without decoding.

Frame: a mask lies in the pixels of the original image, rows from the top, columns from the left.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pycocotools import mask as _coco

from pixfoundation.errors import DataError

MAX_PIXELS = 250_000_000
"""No image is larger; a mask that says so is damaged and would only fill the memory."""
MAX_COORDINATE = 100_000
"""No polygon reaches further."""

coco: Any = _coco
"""The library; untyped, since its stubs are narrower than what its functions take."""


@dataclass(frozen=True, slots=True)
class Mask:
    """A binary mask of one image.

    Attributes:
        size: (height, width) in pixels.
        counts: COCO's compressed run lengths, column-major.

    Example:
        >>> square = Mask.from_array([[1, 1, 0], [1, 1, 0]])
        >>> square.area, square.size
        (4, (2, 3))
        >>> square.iou(Mask.full((2, 3)))
        0.6666666666666666
    """

    size: tuple[int, int]
    counts: bytes

    def __post_init__(self) -> None:
        height, width = self.size
        if height < 1 or width < 1:
            raise DataError(f"A mask needs a positive height and width, but got {self.size}.")

    # ---- making one ------------------------------------------------------------------------

    @classmethod
    def from_array(cls, array: ArrayLike) -> Mask:
        """Encode an array.

        Args:
            array: [height, width], boolean or numeric; every value other than zero is inside.

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
        """Return the mask of that (height, width) with no pixel inside."""
        return cls.from_array(np.zeros(size, dtype=bool))

    @classmethod
    def full(cls, size: tuple[int, int]) -> Mask:
        """Return the mask of that (height, width) with every pixel inside."""
        return cls.from_array(np.ones(size, dtype=bool))

    @classmethod
    def from_rle(cls, segmentation: dict[str, Any]) -> Mask:
        """Read a COCO run-length dictionary `{"size": [height, width], "counts": ...}`.

        Args:
            segmentation: `counts` is a list of run lengths, COCO's compressed string (str or
                bytes), or that string wrapped in base64.

        Raises:
            DataError: If the size is missing or the runs do not fill it exactly.
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
            raise DataError(f"The counts of a run-length encoding are no {type(counts).__name__}.")
        if isinstance(counts, list):
            return cls._from_runs((height, width), counts)
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
        valid = all(isinstance(run, int) and run >= 0 for run in runs)
        if not valid or sum(runs) != size[0] * size[1]:
            raise DataError(
                f"Run lengths for {size[0]} x {size[1]} pixels must be whole numbers from 0 that "
                f"add up to {size[0] * size[1]}, but got {len(runs)} of them"
                + (f" with the sum {sum(runs)}." if valid else ".")
            )
        return cls(size, _canonical(size, runs))

    @classmethod
    def from_polygons(cls, polygons: Sequence[Sequence[float]], size: tuple[int, int]) -> Mask:
        """Fill polygons the COCO way and unites them.

        Args:
            polygons: Each a flat list x0, y0, x1, y1, ... in pixels of the image.
            size: (height, width) of the image.

        Raises:
            DataError: If a polygon has fewer than three points, an odd number of values, or
                values that are not numbers or lie far outside any image.
        """
        for polygon in polygons:
            if len(polygon) < 6 or len(polygon) % 2:
                raise DataError(
                    f"A polygon needs at least three points (six values), but got {len(polygon)} "
                    "values."
                )
            if not all(isinstance(v, (int, float)) and abs(v) <= MAX_COORDINATE for v in polygon):
                raise DataError("A polygon has a value that is not a pixel's coordinate.")
        if not polygons:
            return cls.empty(size)
        encoded = coco.frPyObjects([list(map(float, p)) for p in polygons], *size)
        return cls(size, coco.merge(encoded)["counts"])

    # ---- looking at it ---------------------------------------------------------------------

    @property
    def area(self) -> int:
        """Number of pixels inside."""
        return int(coco.area(self._rle))

    @property
    def is_empty(self) -> bool:
        """Whether no pixel is inside."""
        return self.area == 0

    @property
    def box(self) -> tuple[float, float, float, float]:
        """The tight box (x0, y0, x1, y1) in pixels, ends exclusive; zeros for an empty mask."""
        x, y, width, height = (float(v) for v in coco.toBbox(self._rle))
        return (x, y, x + width, y + height)

    def decode(self) -> NDArray[np.bool_]:
        """Return the mask as a boolean array [height, width]."""
        return coco.decode(self._rle).astype(bool)

    def contains(self, x: float, y: float) -> bool:
        """Whether the pixel that holds the point (x, y) is inside; outside the image is False."""
        height, width = self.size
        column, row = int(np.floor(x)), int(np.floor(y))
        if not (0 <= column < width and 0 <= row < height):
            return False
        return bool(self.decode()[row, column])

    # ---- two masks -------------------------------------------------------------------------

    def intersection(self, other: Mask) -> int:
        """Number of pixels inside both; raises `DataError` if the sizes differ."""
        self._check_same_size(other)
        return int(coco.area(coco.merge([self._rle, other._rle], intersect=True)))

    def iou(self, other: Mask) -> float:
        """Intersection over union: 1 if both are empty, 0 if one is.

        Raises:
            DataError: If the sizes differ.
        """
        intersection = self.intersection(other)
        union = self.area + other.area - intersection
        return intersection / union if union else 1.0

    def resize_nearest(self, size: tuple[int, int]) -> Mask:
        """Return the mask at another (height, width), by nearest neighbour at pixel centres."""
        rows = ((np.arange(size[0]) + 0.5) * self.size[0] / size[0]).astype(int)
        columns = ((np.arange(size[1]) + 0.5) * self.size[1] / size[1]).astype(int)
        return Mask.from_array(self.decode()[np.ix_(rows, columns)])

    # ---- in and out of JSON ----------------------------------------------------------------

    def to_json(self) -> dict[str, Any]:
        """Return the COCO dictionary with `counts` as text."""
        return {"size": list(self.size), "counts": self.counts.decode("ascii")}

    @property
    def _rle(self) -> dict[str, Any]:
        return {"size": list(self.size), "counts": self.counts}

    def _check_same_size(self, other: Mask) -> None:
        if self.size != other.size:
            raise DataError(
                f"Masks of one image must have one size, but got {self.size} and {other.size}."
            )


def union(masks: Iterable[Mask]) -> Mask:
    """Unites masks of one image; raises `DataError` for none at all or differing sizes."""
    members = list(masks)
    if not members:
        raise DataError("The union of no masks has no size.")
    for mask in members[1:]:
        members[0]._check_same_size(mask)
    if len(members) == 1:
        return members[0]
    return Mask(members[0].size, coco.merge([mask._rle for mask in members])["counts"])


def intersections(masks: Sequence[Mask], target: Mask) -> NDArray[np.int64]:
    """Count the common pixels of many masks with one, without decoding any.

    Args:
        masks: n masks of the target's size.
        target: The mask that each is held against.

    Returns:
        int64 [n].
    """
    return np.array([mask.intersection(target) for mask in masks], dtype=np.int64)


def ious(masks: Sequence[Mask], target: Mask) -> NDArray[np.float64]:
    """Return the IoU of many masks with one as float64 [n]; both empty is 1, one empty 0."""
    if not masks:
        return np.zeros(0)
    for mask in masks:
        mask._check_same_size(target)
    if target.is_empty:  # the library calls two empty masks unlike
        return np.array([float(mask.is_empty) for mask in masks])
    return coco.iou([mask._rle for mask in masks], [target._rle], [False])[:, 0]


def _spellings(raw: bytes) -> Iterable[bytes]:
    """Yield the ways to read a counts string: as it is, then unwrapped from base64."""
    yield raw
    try:
        yield base64.b64decode(raw, validate=True)
    except (binascii.Error, ValueError):
        return


def _read_runs(counts: bytes) -> NDArray[np.int64] | None:
    """Read the run lengths of COCO's compressed string, int64 [runs]; None if it is not one.

    The library reads past the end of a damaged string, so the string is checked before it gets
    there. Format: groups of 5 bits, low first, offset 48, bit 5 says that more follow, bit 4 of the
    last is the sign; from the fourth run on, the difference to the run two places before is stored.
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


def _canonical(size: tuple[int, int], runs: list[int]) -> bytes:
    """Encode run lengths; empty runs are merged away, so that equal masks have equal counts."""
    encoded = coco.frPyObjects({"size": list(size), "counts": runs}, *size)
    if 0 in runs[1:]:
        return coco.encode(np.asfortranarray(coco.decode(encoded)))["counts"]
    return encoded["counts"]
