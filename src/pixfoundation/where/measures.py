"""How well a map agrees with the ground truth, without a segmenter, and what chance gives."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pixfoundation.geometry import GridFrame, upsample
from pixfoundation.grounding.points import peaks

Floats = NDArray[np.float64]
SHIFTS = 20
"""Number of random places of the thresholded map, for its chance level."""


def cell_numbers(frame: GridFrame) -> NDArray[np.int64]:
    """Return the number of the cell of each pixel, int64 [height, width]; -1 outside the grid."""
    height, width = frame.image_size
    x0, y0, x1, y1 = frame.box
    columns = np.floor((np.arange(width) + 0.5 - x0) * frame.columns / (x1 - x0)).astype(np.int64)
    rows = np.floor((np.arange(height) + 0.5 - y0) * frame.rows / (y1 - y0)).astype(np.int64)
    numbers = rows[:, None] * frame.columns + columns[None]
    on_grid = ((rows >= 0) & (rows < frame.rows))[:, None] & (
        (columns >= 0) & (columns < frame.columns)
    )[None]
    return np.where(on_grid, numbers, -1)


def coverage(truth: NDArray[np.bool_], frame: GridFrame) -> Floats:
    """Return which share of each cell's pixels is in the truth, float64 [cells].

    Cells without pixels of the image (padding) are not covered; a cell that is partly outside the
    image counts the pixels inside.
    """
    numbers = cell_numbers(frame).ravel()
    known = numbers >= 0
    count = frame.rows * frame.columns
    pixels = np.bincount(numbers[known], minlength=count)
    foreground = np.bincount(numbers[known & truth.ravel()], minlength=count)
    return foreground / np.maximum(pixels, 1)


def centres_in(truth: NDArray[np.bool_], frame: GridFrame) -> NDArray[np.bool_]:
    """Return whether the centre of each cell lies in the truth, bool [cells]."""
    height, width = frame.image_size
    result = np.zeros((frame.rows, frame.columns), bool)
    for row in range(frame.rows):
        for column in range(frame.columns):
            x, y = (int(np.floor(value)) for value in frame.cell_center(row, column))
            result[row, column] = 0 <= x < width and 0 <= y < height and bool(truth[y, x])
    return result.ravel()


def hits(grid: NDArray[np.float32], frame: GridFrame, truth: NDArray[np.bool_]) -> float:
    """Return 1 if the highest pixel of a map lies in the truth, else 0 (the pointing game).

    Args:
        grid: float32 [grid rows, grid columns].
        frame: Position of the grid on the image.
        truth: bool [height, width].
    """
    x0, y0, x1, y1 = frame.box
    cell = ((x1 - x0) / frame.columns, (y1 - y0) / frame.rows)
    (peak,) = peaks(upsample(grid[None], frame)[0], cell)
    x, y = peak.point
    return float(not peak.degenerate and truth[int(y), int(x)])


def energy(cells: NDArray[np.floating], covered: Floats) -> Floats:
    """Return the share of the positive part of maps that lies in the truth.

    Args:
        cells: [..., cells].
        covered: float64 [cells], from `coverage`.

    Returns:
        float64 [...]; NaN for a map without a positive part.
    """
    positive = np.maximum(cells, 0).astype(np.float64)
    total: NDArray[np.float64] = np.asarray(positive.sum(axis=-1))
    covered_part = (positive * covered).sum(axis=-1)
    return np.divide(covered_part, total, out=np.full(total.shape, np.nan), where=total > 0)


def otsu(values: NDArray[np.float32]) -> float:
    """Return Otsu's threshold: of 256 levels the one that separates two groups best.

    Args:
        values: Finite numbers, not all equal.
    """
    low, high = float(values.min()), float(values.max())
    counts, edges = np.histogram(values, bins=256, range=(low, high))
    shares = counts / counts.sum()
    middles = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(shares)
    mean = np.cumsum(shares * middles)
    with np.errstate(divide="ignore", invalid="ignore"):
        between = (mean[-1] * below - mean) ** 2 / (below * (1 - below))
    return float(edges[int(np.nanargmax(between)) + 1])


def map_iou(
    grid: NDArray[np.float32],
    frame: GridFrame,
    truth: NDArray[np.bool_],
    generator: np.random.Generator,
) -> tuple[float, float]:
    """Return the IoU of the map above Otsu's threshold, and that of the same shape elsewhere.

    Args:
        grid: float32 [grid rows, grid columns].
        frame: Position of the grid on the image.
        truth: bool [height, width].
        generator: Draws the other places: the shape is moved around the image's edges.
    """
    pixels = upsample(grid[None], frame)[0]
    finite = np.isfinite(pixels)
    if not finite.any() or pixels[finite].min() == pixels[finite].max():
        return 0.0, 0.0
    shape = np.zeros(truth.shape, bool)
    shape[finite] = pixels[finite] >= otsu(pixels[finite])
    moved = [
        iou(np.roll(shape, tuple(generator.integers(0, truth.shape)), axis=(0, 1)), truth)
        for _ in range(SHIFTS)
    ]
    return iou(shape, truth), float(np.mean(moved))


def iou(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    """Return the intersection over union of two masks; 0 for two empty ones."""
    union = np.count_nonzero(first | second)
    return np.count_nonzero(first & second) / union if union else 0.0
