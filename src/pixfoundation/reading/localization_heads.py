"""`localization-heads`: the few heads whose attention to the image is strong and in one place.

Source: Kang et al., 'Your LVLM Only Needs A Few Attention Heads For Visual Grounding' (arXiv
2503.06287); the criterion is that of the later release (commit 9ffe219) with its constants scaled
by the number of cells, so that they do not depend on the grid: heads with an attention mass at or
above the elbow of all heads, without layers 0 and 1 and without heads that look at the bottom row,
in ascending order of the spatial entropy of the components of their maps.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from pixfoundation.errors import DataError
from pixfoundation.existence import isdir
from pixfoundation.forward import Forward, Need
from pixfoundation.reading.base import Maps, chosen_heads, on_grid, readings
from pixfoundation.reading.head_maps import HeadMaps
from pixfoundation.stored import Whole
from pixfoundation.typed_json import read_file
from pixfoundation.typed_options import Count, Within

if TYPE_CHECKING:
    from torch import Tensor

HEADS_FILE = "heads.json"
"""What `pixfoundation heads` writes into a run."""
FOREGROUND = 0.576
"""High cells exceed this over the number of cells: 0.001 of the release with 576 cells."""
BOTTOM = 28.8
"""So do those of the bottom row that rule a head out: 0.05 of the release with 576 cells."""
Pair = tuple[int, int]
"""(layer, head)."""


@readings.register(
    "localization-heads",
    summary="the few heads with much attention in one place, smoothed and added",
    needs="attention rows of one pass, or heads that were chosen before",
    source="arXiv 2503.06287",
)
def load(
    *,
    heads: Mapping[int, Sequence[int]] | None = None,
    heads_from: str | None = None,
    top: Count = 3,
    sigma: Annotated[float, Within(least=0)] = 1.0,
    first_layer: Annotated[int, Within(least=0)] = 2,
) -> LocalizationHeads:
    """Make the reading.

    Args:
        heads: The heads by layer. By default they are chosen for every answer anew, by mass and
            entropy of its tokens' mean row.
        heads_from: A run directory with the choice that `pixfoundation heads` stored, or such a
            file; the first `top` heads of it are taken.
        top: Number of heads.
        sigma: Width in cells of the Gaussian by which each map is smoothed; 0 for none.
        first_layer: Layers before this one are not chosen.

    Raises:
        DataError: If both `heads` and `heads_from` are given, or the file holds no choice.
    """
    if heads is not None and heads_from is not None:
        raise DataError("Give either `heads` or `heads_from`, not both.")
    pairs: tuple[Pair, ...] | None = None
    if heads is not None:
        pairs = tuple((layer, head) for layer, own in heads.items() for head in own)
        if not pairs:
            raise DataError("The option `heads` names no head.")
    if heads_from is not None:
        pairs = stored_heads(Path(heads_from))[:top]
    return LocalizationHeads(pairs, top, sigma, first_layer)


@dataclass(frozen=True, slots=True)
class LocalizationHeads:
    """The reading `localization-heads`; see `load`.

    Attributes:
        pairs: (layer, head) of the chosen heads; None to choose them for every answer.
        top: Number of heads to choose.
        sigma: Width of the smoothing in cells.
        first_layer: The first layer that is chosen from.
    """

    pairs: tuple[Pair, ...] | None = None
    top: int = 3
    sigma: float = 1.0
    first_layer: int = 2

    name = "localization-heads"
    needs = frozenset({Need.ROWS})

    def observe(
        self, forward: Forward, phrases: Sequence[Sequence[int]]
    ) -> LocalizationHeadsObserver:
        """Return an observer of one pass; see `base.Reading`."""
        return LocalizationHeadsObserver(forward, phrases, self)

    def settings(self) -> dict[str, Any]:
        """Return the options and the chosen heads, as JSON data."""
        heads: dict[str, list[int]] = {}
        for layer, head in self.pairs or ():
            heads.setdefault(str(layer), []).append(head)
        return {
            "heads": heads or None,
            "top": self.top,
            "sigma": self.sigma,
            "first_layer": self.first_layer,
        }


class LocalizationHeadsObserver(HeadMaps):
    """Keeps the mean rows of the phrases and of the whole answer."""

    def __init__(
        self, forward: Forward, phrases: Sequence[Sequence[int]], reading: LocalizationHeads
    ) -> None:
        pairs = reading.pairs
        layers = None if pairs is None else sorted({layer for layer, _ in pairs})
        super().__init__(forward, [*phrases, range(len(forward.token_ids))], layers)
        self._forward, self._reading = forward, reading

    def maps(self) -> Maps:
        """Return the sum of the smoothed maps of the chosen heads."""
        own, frame = self._reading, self._forward.frame
        pairs = own.pairs
        if pairs is None:
            rows = self.all()[:, :, -1].cpu().numpy()  # (L, H, n)
            pairs = rank_heads(rows.reshape(*rows.shape[:2], frame.rows, -1), own.first_layer)
            pairs = tuple(pairs[: own.top])
        total: Tensor | None = None
        for layer, head in pairs:
            maps = self.of_layer(layer % self._forward.depth)
            (index,) = chosen_heads([head], layer, self._forward.depth, maps.shape[0])
            part = maps[index, :-1].cpu()
            total = part if total is None else total + part
        if total is None:
            raise DataError("No head was chosen.")
        return smoothed(on_grid(total, frame), own.sigma)


def smoothed(maps: Maps, sigma: float) -> Maps:
    """Smooth maps [n, rows, columns] by a Gaussian, mirrored at the edges and cut at 4 sigma."""
    if sigma == 0:
        return maps
    radius = int(4 * sigma + 0.5)
    at = np.arange(-radius, radius + 1)
    kernel = np.exp(-0.5 * (at / sigma) ** 2)
    kernel /= kernel.sum()
    result: NDArray[np.float64] = maps.astype(np.float64)
    for axis in (1, 2):
        size = result.shape[axis]
        period = np.arange(-radius, size + radius) % (2 * size)
        mirrored = np.minimum(period, 2 * size - 1 - period)  # ... b a | a b c | c b ...
        wide = np.take(result, mirrored, axis=axis)
        result = np.zeros_like(result)
        for place, weight in enumerate(kernel):
            result += weight * np.take(wide, np.arange(size) + place, axis=axis)
    return result.astype(np.float32)


def rank_heads(maps: NDArray[np.floating[Any]], first_layer: int = 2) -> list[Pair]:
    """Return the heads that localise, the best first.

    Args:
        maps: [layers, heads, grid rows, grid columns], attention of one row to the image.
        first_layer: Layers before this one are left out.

    Returns:
        (layer, head) in ascending order of entropy; at least one: if none is left, the one of the
        largest mass that does not look at the bottom row, or else that of the largest mass.
    """
    layers, heads, rows, columns = maps.shape
    mass = maps.sum(axis=(2, 3), dtype=np.float64)  # (L, H)
    least = elbow(mass.ravel())
    mean = mass / (rows * columns)
    at_bottom = maps[:, :, -1].max(axis=-1) > BOTTOM / (rows * columns)
    entropies = {
        (layer, head): spatial_entropy(maps[layer, head])
        for layer in range(min(first_layer, layers - 1), layers)
        for head in range(heads)
        if mass[layer, head] >= least and not at_bottom[layer, head] and mean[layer, head] > 0
    }
    if entropies:
        return sorted(entropies, key=lambda pair: entropies[pair])
    allowed = np.where(at_bottom, -1.0, mass) if not at_bottom.all() else mass
    layer, head = np.unravel_index(int(allowed.argmax()), allowed.shape)
    return [(int(layer), int(head))]


def elbow(values: NDArray[np.float64]) -> float:
    """Return the value at the elbow: of the sorted values, the farthest from the chord."""
    ascending = np.sort(values)
    x = np.arange(len(ascending), dtype=np.float64)
    dx, dy = float(x[-1] - x[0]), float(ascending[-1] - ascending[0])
    length = math.hypot(dx, dy)
    if length == 0:
        return float(ascending[0])
    distance = np.abs(dx * (ascending - ascending[0]) - dy * (x - x[0])) / length
    return float(ascending[int(distance.argmax())])


def spatial_entropy(grid: NDArray[np.floating[Any]]) -> float:
    """Return the entropy of how the high part of a map is shared among its components.

    Args:
        grid: [rows, columns], attention of one row to the image.

    Returns:
        In nats; infinity if nothing is high. Components are connected by edges or corners.
    """
    high = np.maximum(grid - 2 * grid.mean(), 0).astype(np.float64)
    total = high.sum()
    if total <= 0:
        return math.inf
    labels = components(high > FOREGROUND / grid.size)
    shares = np.bincount(labels.ravel(), weights=high.ravel())[1:] / total
    shares = shares[shares > 0]
    return float(-(shares * np.log(shares)).sum()) if len(shares) else 0.0


def components(cells: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Label the components of cells that touch by edges or corners, from 1; 0 elsewhere."""
    labels = np.zeros(cells.shape, np.int64)
    count = 0
    for row, column in zip(*np.nonzero(cells), strict=True):
        if labels[row, column]:
            continue
        count += 1
        labels[row, column] = count
        frontier = [(int(row), int(column))]
        while frontier:
            r, c = frontier.pop()
            for y in range(max(r - 1, 0), min(r + 2, cells.shape[0])):
                for x in range(max(c - 1, 0), min(c + 2, cells.shape[1])):
                    if cells[y, x] and not labels[y, x]:
                        labels[y, x] = count
                        frontier.append((y, x))
    return labels


class _Choice(Struct):
    """The choice of heads in the file of `pixfoundation heads`: (layer, head), the best first."""

    heads: tuple[tuple[Whole, Whole], ...]


class _HeadsFile(Struct):
    """What is read of the file of `pixfoundation heads`."""

    choice: _Choice


def stored_heads(path: Path) -> tuple[Pair, ...]:
    """Return the heads that `pixfoundation heads` chose, the best first.

    Args:
        path: A run directory, or the file in it.

    Raises:
        DataError: If there is no such file, or it holds no choice.
    """
    file = path / HEADS_FILE if isdir(path) else path
    try:
        pairs = read_file(file, _HeadsFile).choice.heads
    except FileNotFoundError:
        raise DataError(
            f"{file} is not there. `pixfoundation heads RUN` chooses heads and stores them."
        ) from None
    except (OSError, DataError) as error:
        raise DataError(f"{file} holds no choice of heads: {error}.") from error
    if not pairs:
        raise DataError(f"{file} holds an empty choice of heads.")
    return pairs
