"""The attention map of a phrase, small enough to be kept next to its masks.

A map of 24 x 24 cells takes 1.5 KB in a record: half precision of where each cell lies between the
lowest and the highest value of the map, so that small attention loses nothing.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from pixfoundation.errors import DataError
from pixfoundation.geometry import GridFrame
from pixfoundation.stored import StoredMap

_HALF = np.dtype("<f2")


@dataclass(frozen=True, slots=True)
class KeptMap:
    """A map on the grid of image tokens.

    Attributes:
        rows: Number of cells from top to bottom.
        columns: Number of cells from left to right.
        box: (x0, y0, x1, y1) in pixels of the image that the grid covers; it may reach beyond the
            image where the model pads.
        low: The lowest value.
        high: The highest value.
        values: Where each cell lies between `low` (0) and `high` (1), row by row, as little-endian
            float16 in base64.
    """

    rows: int
    columns: int
    box: tuple[float, float, float, float]
    low: float
    high: float
    values: str

    @classmethod
    def of(cls, grid: NDArray[np.floating[Any]], frame: GridFrame) -> Self | None:
        """Keep a map.

        Args:
            grid: The map, [rows, columns].
            frame: The place of its cells on the image.

        Returns:
            The map; None if it holds a value that is not finite.
        """
        values = np.asarray(grid, np.float64)
        if not np.isfinite(values).all():
            return None
        low, high = float(values.min()), float(values.max())
        shares = (values - low) / (high - low) if high > low else np.zeros_like(values)
        text = base64.b64encode(shares.astype(_HALF).tobytes()).decode("ascii")
        x0, y0, x1, y1 = (float(side) for side in frame.box)
        return cls(frame.rows, frame.columns, (x0, y0, x1, y1), low, high, text)

    @classmethod
    def from_stored(cls, data: StoredMap) -> Self:
        """Return the map of a line.

        Raises:
            DataError: If the values are not as many as the grid has cells, or not within 0..1.
        """
        kept = cls(data.rows, data.columns, data.box, data.low, data.high, data.values)
        if not data.low <= data.high:
            raise DataError(f"map: low is {data.low:g}, above high, {data.high:g}.")
        kept.shares()
        return kept

    def shares(self) -> NDArray[np.float32]:
        """Return where each cell lies between `low` (0) and `high` (1), [rows, columns].

        Raises:
            DataError: If the values are not as many as the grid has cells, or not within 0..1.
        """
        try:
            raw = base64.b64decode(self.values, validate=True)
        except (binascii.Error, ValueError) as error:
            raise DataError(f"map.values: {error}.") from error
        if len(raw) != _HALF.itemsize * self.rows * self.columns:
            raise DataError(
                f"map.values: expected {self.rows} x {self.columns} numbers of 2 bytes, but found "
                f"{len(raw)} bytes."
            )
        shares = np.frombuffer(raw, _HALF).astype(np.float32).reshape(self.rows, self.columns)
        if not ((shares >= 0) & (shares <= 1)).all():
            raise DataError("map.values: expected numbers from 0 to 1.")
        return shares

    def grid(self) -> NDArray[np.float32]:
        """Return the map, [rows, columns]."""
        return self.low + (self.high - self.low) * self.shares()

    def to_json(self) -> dict[str, Any]:
        """Return the map as plain JSON data."""
        return {
            "rows": self.rows,
            "columns": self.columns,
            "box": list(self.box),
            "low": self.low,
            "high": self.high,
            "values": self.values,
        }
