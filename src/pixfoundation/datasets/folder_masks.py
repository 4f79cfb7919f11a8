"""Masks of users' own data: mask files, polygons, run lengths, or lists of these, in one frame."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from pixfoundation.datasets.mask_images import read_mask_image
from pixfoundation.datasets.polygons import draw_polygons, draw_with_holes, flat_polygon
from pixfoundation.errors import DataError
from pixfoundation.geometry import turn_upright
from pixfoundation.images import image_orientation, image_size
from pixfoundation.masks import Mask, union


class Frame(StrEnum):
    """The frame of masks whose image file has an EXIF orientation.

    `upright` is the image as a viewer shows it, `stored` the pixels as the file holds them.
    """

    UPRIGHT = "upright"
    STORED = "stored"


class Units(StrEnum):
    """The units of polygons: pixels, shares of the image's sides (0..1), or percent of them."""

    PIXELS = "pixels"
    SHARES = "shares"
    PERCENT = "percent"


class RunOrder(StrEnum):
    """The order of the pixels in lists of run lengths: by columns, as COCO's, or by rows."""

    COLUMNS = "columns"
    ROWS = "rows"


@dataclass(frozen=True, slots=True)
class MaskRules:
    """How the masks of a folder are read.

    Attributes:
        frame: The frame of the masks; None if it was not said, so that turned images are noted.
        units: The units of polygons.
        runs: The order of run lengths.
    """

    frame: Frame | None = None
    units: Units = Units.PIXELS
    runs: RunOrder = RunOrder.COLUMNS


@dataclass(frozen=True, slots=True)
class ImageFrame:
    """An image as the masks of its line need it.

    Attributes:
        size: (height, width) upright, in pixels.
        orientation: EXIF orientation, 1 (upright) to 8.
    """

    size: tuple[int, int]
    orientation: int

    @classmethod
    def of(cls, path: Path) -> ImageFrame:
        """Read size and orientation of an image file.

        Raises:
            DataError: If the file is missing or not an image.
        """
        return cls(image_size(path), image_orientation(path))

    @property
    def stored_size(self) -> tuple[int, int]:
        """The (height, width) before the image is turned."""
        height, width = self.size
        return (width, height) if self.orientation >= 5 else (height, width)


class MaskReader:
    """Reads the value of `mask` of one line.

    Attributes:
        notes: Sentences about what is odd.
    """

    def __init__(self, root: Path, image: ImageFrame, rules: MaskRules) -> None:
        """Keep what the masks of the line are read with.

        Args:
            root: The folder that paths of mask files start from.
            image: The image of the line.
            rules: How the masks are read.
        """
        self.notes: list[str] = []
        self._root = root
        self._image = image
        self._rules = rules
        self._turns = rules.frame is Frame.STORED and image.orientation != 1
        self._size = image.stored_size if self._turns else image.size
        self._unturned = False

    def read(self, value: Any) -> tuple[Mask, ...]:
        """Return the masks that a value gives, each of the size of the image.

        Raises:
            DataError: If one is damaged, of another size or in other units, or if nothing lies
                inside of any of them.
        """
        parts = tuple(self._parts(value))
        if self._unturned and self._image.orientation != 1 and self._rules.frame is None:
            self.notes.append(
                f"the image is turned (EXIF orientation {self._image.orientation}); its mask is "
                "taken to fit the image as a viewer shows it. If it fits the pixels as stored, "
                "give `frame=stored`; `frame=upright` says that it does not."
            )
        if all(part.is_empty for part in parts):
            reasons = "; ".join(note.removesuffix(".") for note in self.notes)
            why = f" ({reasons})" if reasons else ""
            raise DataError(
                f"a mask is given, but nothing is inside{why}. Correct it, or leave 'mask' out if "
                "the object is absent."
            )
        return parts

    def _parts(self, value: Any) -> Iterator[Mask]:
        if isinstance(value, str):
            yield self._file(value, None)
        elif isinstance(value, Mapping):
            yield self._mapping(cast("Mapping[str, Any]", value))
        elif isinstance(value, list) and value:
            items = cast("list[Any]", value)
            polygons = [items] if _is_polygon(items) else items
            if all(_is_polygon(polygon) for polygon in polygons):
                drawn = draw_polygons(self._in_pixels(polygons), self._size, self.notes)
                yield self._upright(drawn)
            else:
                for item in items:
                    yield from self._parts(item)
        else:
            raise DataError(
                "'mask' is a run-length dictionary, a list of polygons, the path of a mask file, "
                f"or a list of these, but this is {str(value)[:40]!r}; leave it out if the object "
                "is absent."
            )

    def _mapping(self, value: Mapping[str, Any]) -> Mask:
        if "file" in value:
            if not isinstance(value["file"], str) or value.keys() - {"file", "values"}:
                raise DataError("a mask file is {'file': path, 'values': [...]}.")
            chosen = value.get("values")
            if chosen is not None and not isinstance(chosen, list):
                chosen = [chosen]
            return self._file(value["file"], cast("list[Any] | None", chosen))
        if "coordinates" in value:
            return self._upright(self._geojson(value))
        return self._upright(self._run_lengths(value))

    def _file(self, name: str, values: list[Any] | None) -> Mask:
        read = read_mask_image(self._root / name, values)
        self.notes += [f"{name} {note}" for note in read.notes]
        if read.turned:  # the file's own orientation has been applied
            return self._checked(Mask.from_array(read.foreground), self._image.size)
        return self._upright(Mask.from_array(read.foreground))

    def _run_lengths(self, value: Mapping[str, Any]) -> Mask:
        mask = Mask.from_rle(value)
        if not isinstance(value["counts"], list):
            return mask  # COCO's string has no other order
        other = Mask.from_array(_by_rows(mask.decode()))
        if self._rules.runs is RunOrder.ROWS:
            return other
        if min(mask.size) > 2 and _outline(other.decode()) * 2 < _outline(mask.decode()):
            self.notes.append(
                "the run lengths look as if they went along the rows; COCO's go along the columns. "
                "Give `runs=rows` if they do."
            )
        return mask

    def _geojson(self, value: Mapping[str, Any]) -> Mask:
        kind, coordinates = value.get("type"), value["coordinates"]
        polygons = [coordinates] if kind == "Polygon" else coordinates
        if kind not in ("Polygon", "MultiPolygon") or not _is_nested(polygons):
            raise DataError(
                "a GeoJSON geometry is a Polygon, a list of rings of [x, y], or a MultiPolygon, a "
                "list of these."
            )
        return union(
            [draw_with_holes(self._in_pixels(p), self._size, self.notes) for p in polygons]
        )

    def _in_pixels(self, polygons: list[Any]) -> list[list[Any]]:
        flat = [flat_polygon(polygon) for polygon in polygons]
        if self._rules.units is Units.PIXELS:
            return flat
        whole = 1.0 if self._rules.units is Units.SHARES else 100.0
        sides = (self._size[1] / whole, self._size[0] / whole)
        for polygon in flat:
            if not all(type(v) in (int, float) and 0 <= v <= whole for v in polygon):
                raise DataError(
                    f"A polygon has a value that is not from 0 to {whole:g}, as `polygons="
                    f"{self._rules.units}` says."
                )
        return [[v * sides[i % 2] for i, v in enumerate(polygon)] for polygon in flat]

    def _upright(self, mask: Mask) -> Mask:
        """Check the size of a mask and bring it to the frame of the image."""
        self._checked(mask, self._size)
        if not self._turns:
            self._unturned = True
            return mask
        return Mask.from_array(turn_upright(mask.decode(), self._image.orientation))

    def _checked(self, mask: Mask, size: tuple[int, int]) -> Mask:
        if mask.size == size:
            return mask
        sizes = f"a mask is {mask.size[0]} x {mask.size[1]}, the image {size[0]} x {size[1]}"
        if mask.size == size[::-1] and self._image.orientation >= 5:
            hint = (
                f" The image is turned (EXIF orientation {self._image.orientation}); if the masks "
                "fit the other frame, give `frame=stored` or `frame=upright`."
            )
        elif mask.size == size[::-1]:
            hint = " They seem to be exchanged: the size of run lengths is [height, width]."
        else:
            hint = " Masks are not resized."
        raise DataError(f"{sizes} (height x width).{hint}")


def _is_polygon(value: Any) -> bool:
    """Whether a value is a list of numbers, or of points [x, y]."""
    if not isinstance(value, list) or not value:
        return False
    items = cast("list[Any]", value)
    return _is_flat(items) or all(_is_flat(item) and len(item) == 2 for item in items)


def _is_flat(value: Any) -> bool:
    return isinstance(value, list) and not any(
        isinstance(item, (list, dict, str)) for item in cast("list[Any]", value)
    )


def _is_nested(polygons: Any) -> bool:
    """Whether a value is a list of lists of lists: polygons of rings of points."""
    return (
        isinstance(polygons, list)
        and bool(polygons)
        and all(
            isinstance(polygon, list)
            and polygon
            and all(isinstance(ring, list) for ring in cast("list[Any]", polygon))
            for polygon in cast("list[Any]", polygons)
        )
    )


def _by_rows(foreground: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return what the run lengths of a mask mean if they go along the rows."""
    return foreground.ravel(order="F").reshape(foreground.shape)


def _outline(foreground: NDArray[np.bool_]) -> int:
    """Count the neighbouring pixels of which one is inside."""
    return int(
        (foreground[1:] != foreground[:-1]).sum() + (foreground[:, 1:] != foreground[:, :-1]).sum()
    )
