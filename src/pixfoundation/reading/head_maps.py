"""The attention of every layer and head to the image, summed up by groups of tokens as it comes.

A pass over L layers of H heads and n image tokens leaves L x H x groups x n numbers, however
long the answer is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pixfoundation.errors import DataError
from pixfoundation.forward import Forward
from pixfoundation.reading.base import Heads, Silent, chosen_heads, chosen_layers, emitting

if TYPE_CHECKING:
    from torch import Tensor


class HeadMaps(Silent):
    """An observer that keeps the mean map of each group of tokens, by layer and head."""

    def __init__(
        self,
        forward: Forward,
        groups: Sequence[Sequence[int]],
        layers: Sequence[int] | None = None,
    ) -> None:
        """Prepare.

        Args:
            forward: The pass.
            groups: For each group the indices of tokens of the answer; the rows are those of the
                queries that emitted them. A token may be in several groups. Without an answer the
                only row is that of the last token of the prompt, with index 0.
            layers: The layers whose maps are kept; None for all.

        Raises:
            DataError: If there is no such layer.
        """
        import torch

        first, count = emitting(forward).start, max(len(forward.token_ids), 1)
        self.queries: range | None = range(first, first + count)
        self._span = range(first, first + count)
        self._members = torch.zeros(len(groups), count)  # (G, R): weight of each row
        for place, tokens in enumerate(groups):
            for token in tokens:
                self._members[place, token] += 1 / len(tokens)
        self._columns = forward.columns
        self._layers = frozenset(chosen_layers(layers, forward.depth))
        self._sums: dict[int, Tensor] = {}

    def attend(self, layer: int, first: int, weights: Tensor) -> None:
        """Add a block of rows, float32 [heads, rows, positions]."""
        start = max(first, self._span.start)
        stop = min(first + weights.shape[1], self._span.stop)
        if layer not in self._layers or stop <= start:
            return
        rows = weights[:, start - first : stop - first]
        cells = rows[:, :, self._columns.to(rows.device)]  # (H, R, n)
        members = self._members[:, start - self._span.start : stop - self._span.start]
        part = members.to(cells.device) @ cells  # (H, G, n)
        self._sums[layer] = part if layer not in self._sums else self._sums[layer] + part

    def of_layer(self, layer: int) -> Tensor:
        """Return the maps of one layer, float32 [heads, groups, cells] where the model is."""
        return self._sums[layer]

    def all(self) -> Tensor:
        """Return the maps of all kept layers, float32 [layers, heads, groups, cells]."""
        import torch

        device = self._columns.device
        return torch.stack([self._sums[layer].to(device) for layer in sorted(self._sums)])

    def mean(self, layers: Sequence[int] | None, heads: Heads, depth: int) -> Tensor:
        """Return the mean over pairs of layer and head.

        Args:
            layers: The layers; None for those of `heads` if these are by layer, else for all.
            heads: Heads for all layers, or by layer; None for all.
            depth: Number of layers of the model.

        Returns:
            float32 [groups, cells].

        Raises:
            DataError: If there is no such layer or head, or no pair is left.
        """
        total, pairs = None, 0
        for layer in chosen_layers(layers, depth):
            maps = self._sums[layer]
            own = maps[chosen_heads(heads, layer, depth, maps.shape[0])]
            part = own.sum(dim=0).to(self._columns.device)
            total = part if total is None else total + part
            pairs += own.shape[0]
        if total is None or not pairs:
            raise DataError("The options `layers` and `heads` leave no pair of layer and head.")
        return total / pairs
