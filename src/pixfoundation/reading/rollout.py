"""`rollout`: attention followed through all layers, residual connections included.

Source: Abnar and Zuidema, 'Quantifying Attention Flow in Transformers' (arXiv 2005.00928): with
B = (mean over heads of A + I), rows divided by their sum, the map of a query is its row of
B_L ... B_1. Here the product is formed from the first layer on and for the columns of the image
tokens only, as the layers are computed, so that one positions x cells matrix is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any

from pixfoundation.forward import Forward, Need
from pixfoundation.reading.base import Maps, Silent, chosen_layers, emitting, on_grid, readings
from pixfoundation.typed_options import Within

if TYPE_CHECKING:
    from torch import Tensor


@readings.register(
    "rollout",
    summary="attention followed through all layers, minus the mean map of the answer",
    needs="all attention rows of one pass",
    source="arXiv 2005.00928",
)
def load(
    *, first_layer: Annotated[int, Within(least=0)] = 0, centred: bool = True
) -> RolloutReading:
    """Make the reading.

    Args:
        first_layer: The layer from which attention is followed.
        centred: Whether the mean map of the answer's tokens is subtracted; without it, the places
            that attract attention for any token dominate.
    """
    return RolloutReading(first_layer, centred)


@dataclass(frozen=True, slots=True)
class RolloutReading:
    """The reading `rollout`; see `load`."""

    first_layer: int = 0
    centred: bool = True

    name = "rollout"
    needs = frozenset({Need.ROWS})

    def observe(self, forward: Forward, phrases: Sequence[Sequence[int]]) -> RolloutObserver:
        """Return an observer of one pass; see `base.Reading`."""
        return RolloutObserver(forward, phrases, self)

    def settings(self) -> dict[str, Any]:
        """Return the options, as JSON data."""
        return asdict(self)


class RolloutObserver(Silent):
    """Keeps the image columns of the product of the layers so far, [positions, cells]."""

    def __init__(
        self, forward: Forward, phrases: Sequence[Sequence[int]], reading: RolloutReading
    ) -> None:
        import torch

        self._forward, self._phrases, self._reading = forward, phrases, reading
        length = len(forward.input_ids)
        chosen_layers([reading.first_layer], forward.depth)  # refuses a layer that is not there
        self.queries: range | None = range(length)
        self._product: Tensor = torch.zeros(length, len(forward.columns))
        self._product[forward.columns.cpu(), torch.arange(len(forward.columns))] = 1.0
        self._next = self._product.clone()

    def attend(self, layer: int, first: int, weights: Tensor) -> None:
        """Multiply the rows of a layer with the product of the layers before it."""
        if layer < self._reading.first_layer:
            return
        if first == 0:
            self._product = self._next.to(weights.device)
            self._next = self._product.clone()
        rows = slice(first, first + weights.shape[1])
        mean = weights.mean(dim=0)  # (rows, positions)
        sums = mean.sum(dim=1, keepdim=True) + 1
        self._next[rows] = (mean @ self._product + self._product[rows]) / sums

    def maps(self) -> Maps:
        """Return the mean rows of the phrases."""
        queries = emitting(self._forward)
        rows = self._next[queries.start : queries.stop]  # (tokens, cells)
        import torch

        maps = torch.stack([rows[list(tokens)].mean(dim=0) for tokens in self._phrases])
        if self._reading.centred and len(queries) > 1:
            maps = maps - rows.mean(dim=0)
        return on_grid(maps, self._forward.frame)
