"""Where a map points to: its highest pixels, and the box around what is high near them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pixfoundation.geometry import GridFrame, clip_box

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Peak:
    """A place on the image.

    Attributes:
        point: (x, y) of a pixel.
        degenerate: The map says nothing (constant or not a number), so the place is arbitrary.
    """

    point: tuple[float, float]
    degenerate: bool = False


def peaks(
    pixels: NDArray[np.float32], cell: tuple[float, float], count: int = 1, rank: int = 1
) -> list[Peak]:
    """Find the highest pixels of a map.

    Args:
        pixels: float32 [height, width]; NaN where the map says nothing.
        cell: (width, height) in pixels of a cell of the grid that it comes from. Further points
            are at least a cell away from all before.
        count: How many at most.
        rank: Begin with the rank-th highest pixel, from 1.

    Returns:
        At least one; the centre of the image, flagged, for a map that is constant or all NaN.
    """
    height, width = pixels.shape
    known = pixels[np.isfinite(pixels)]
    if known.size == 0 or known.min() == known.max():
        return [Peak((float(width // 2), float(height // 2)), degenerate=True)]
    left = np.where(np.isfinite(pixels), pixels, -np.inf)
    ys, xs = np.arange(height)[:, None], np.arange(width)[None]
    found: list[Peak] = []
    for place in range(count):
        flat = left.ravel()
        if not np.isfinite(flat.max()):
            break
        if place == 0 and rank > 1:
            best = int(np.argsort(-flat, kind="stable")[min(rank, known.size) - 1])
        else:
            best = int(flat.argmax())
        y, x = divmod(best, width)
        found.append(Peak((float(x), float(y))))
        if place + 1 < count:
            left = np.where((abs(xs - x) < cell[0]) & (abs(ys - y) < cell[1]), -np.inf, left)
    return found


def high_cells(
    grid: NDArray[np.float32], frame: GridFrame, point: tuple[float, float], threshold: float
) -> NDArray[np.bool_]:
    """Return the connected high cells that hold a point, bool [grid rows, grid columns].

    Args:
        grid: float32 [grid rows, grid columns].
        frame: Where it lies on the image.
        point: (x, y) in pixels.
        threshold: Which cells are high, between the grid's lowest (0) and highest value (1).
    """
    x0, y0, _, _ = frame.box
    step_x, step_y = _steps(frame)
    column = min(max(int((point[0] + 0.5 - x0) / step_x), 0), frame.columns - 1)
    row = min(max(int((point[1] + 0.5 - y0) / step_y), 0), frame.rows - 1)
    high = grid >= grid.min() + threshold * (grid.max() - grid.min())
    reached = np.zeros(high.shape, bool)
    reached[row, column] = True
    frontier = [(row, column)]
    while frontier:
        r, c = frontier.pop()
        for near in ((r - 1, c), (r + 1, c), (r, c - 1), (r, c + 1)):
            inside = 0 <= near[0] < frame.rows and 0 <= near[1] < frame.columns
            if inside and high[near] and not reached[near]:
                reached[near] = True
                frontier.append(near)
    return reached


def box_around(cells: NDArray[np.bool_], frame: GridFrame) -> Box:
    """Return the box of some cells, inside the image."""
    x0, y0, _, _ = frame.box
    step_x, step_y = _steps(frame)
    rows, columns = np.nonzero(cells)
    box = (
        x0 + columns.min() * step_x,
        y0 + rows.min() * step_y,
        x0 + (columns.max() + 1) * step_x,
        y0 + (rows.max() + 1) * step_y,
    )
    return clip_box(box, frame.image_size)


def mask_of(cells: NDArray[np.bool_], frame: GridFrame) -> NDArray[np.bool_]:
    """Return the pixels whose centres lie in some cells, bool [height, width]."""
    height, width = frame.image_size
    x0, y0, _, _ = frame.box
    step_x, step_y = _steps(frame)
    columns = np.floor((np.arange(width) + 0.5 - x0) / step_x).astype(int)
    rows = np.floor((np.arange(height) + 0.5 - y0) / step_y).astype(int)
    on_grid = np.outer(
        (rows >= 0) & (rows < frame.rows), (columns >= 0) & (columns < frame.columns)
    )
    near = cells[rows.clip(0, frame.rows - 1)][:, columns.clip(0, frame.columns - 1)]
    return near & on_grid


def _steps(frame: GridFrame) -> tuple[float, float]:
    """The (width, height) in pixels of a cell."""
    x0, y0, x1, y1 = frame.box
    return (x1 - x0) / frame.columns, (y1 - y0) / frame.rows
