"""Turn a map into prompts: its highest pixels, and the boxes and masks around them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pixfoundation.geometry import GridFrame, clip_box

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Peak:
    """A maximum of a map.

    Attributes:
        point: (x, y) of a pixel.
        degenerate: Whether the map has no maximum (it is constant or not a number), so that the
            point is arbitrary.
    """

    point: tuple[float, float]
    degenerate: bool = False


def peaks(
    pixels: NDArray[np.float32], cell: tuple[float, float], count: int = 1, rank: int = 1
) -> list[Peak]:
    """Find the highest pixels of a map.

    Args:
        pixels: float32 [height, width]; NaN outside the grid.
        cell: (width, height) in pixels of a grid cell. Each point is at least one cell away from
            all earlier points.
        count: Maximum number of points.
        rank: Start with the rank-th highest pixel, from 1; of equal pixels the first in row-major
            order is the higher.

    Returns:
        1 to `count` peaks. For a map that is constant or all NaN, the centre of the image, marked
        as degenerate.
    """
    height, width = pixels.shape
    known = pixels[np.isfinite(pixels)]
    if known.size == 0 or known.min() == known.max():
        return [Peak((float(width // 2), float(height // 2)), degenerate=True)]
    remaining = np.where(np.isfinite(pixels), pixels, -np.inf)
    ys = np.arange(height, dtype=np.int64)[:, None]
    xs = np.arange(width, dtype=np.int64)[None]
    maxima: list[Peak] = []
    for place in range(count):
        flat = remaining.ravel()
        if not np.isfinite(flat.max()):
            break
        if place == 0 and rank > 1:
            best = int(np.argsort(-flat, kind="stable")[min(rank, known.size) - 1])
        else:
            best = int(flat.argmax())
        y, x = divmod(best, width)
        maxima.append(Peak((float(x), float(y))))
        if place + 1 < count:
            near = (abs(xs - x) < cell[0]) & (abs(ys - y) < cell[1])
            remaining = np.where(near, -np.inf, remaining)
    return maxima


def high_cells(
    grid: NDArray[np.float32], frame: GridFrame, point: tuple[float, float], threshold: float
) -> NDArray[np.bool_]:
    """Return the connected high cells around a point.

    Args:
        grid: float32 [grid rows, grid columns].
        frame: Position of the grid on the image.
        point: (x, y) in pixels.
        threshold: Height from which a cell is high, between the lowest (0) and the highest value
            (1) of the grid.

    Returns:
        bool [grid rows, grid columns]: the cell of the point and the high cells that are connected
        to it by edges.
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
            on_grid = 0 <= near[0] < frame.rows and 0 <= near[1] < frame.columns
            if on_grid and high[near] and not reached[near]:
                reached[near] = True
                frontier.append(near)
    return reached


def box_around(cells: NDArray[np.bool_], frame: GridFrame) -> Box:
    """Return the bounding box of cells, clipped to the image.

    Args:
        cells: bool [grid rows, grid columns] with at least one True.
        frame: Position of the grid on the image.

    Returns:
        (x0, y0, x1, y1) in pixels.
    """
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
    """Return the pixels whose centres lie in the given cells.

    Args:
        cells: bool [grid rows, grid columns].
        frame: Position of the grid on the image.

    Returns:
        bool [height, width].
    """
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
    """Return the (width, height) of a cell in pixels."""
    x0, y0, x1, y1 = frame.box
    return (x1 - x0) / frame.columns, (y1 - y0) / frame.rows
