"""Let observers look at the attention rows of a forward pass as they are computed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor
from transformers import PreTrainedModel

from pixfoundation.attention.capture import AttentionCapture
from pixfoundation.attention.interface import AttentionError
from pixfoundation.attention.rows import KeyFrame, apply_rows
from pixfoundation.forward import Observer


class ObservedAttention(AttentionCapture):
    """Shows the rows of every layer and head of one forward pass, batch of one, to observers.

    The rows are computed in blocks next to the model's own attention, and nothing of them is kept.
    """

    def __init__(self, model: PreTrainedModel, observers: Sequence[Observer]) -> None:
        """Prepare.

        Args:
            model: The model that will be called once, without a cache.
            observers: What wants to see attention.

        Raises:
            AttentionError: If the attention of the model cannot be captured.
        """
        super().__init__(model, torch.zeros(1, dtype=torch.long))
        self._observers = [each for each in observers if each.queries is not None]
        self._first = min(
            (each.queries.start for each in self._observers if each.queries is not None), default=0
        )

    def recorded_rows(self, queries: int) -> range:
        """Return the queries from the first one that an observer wants."""
        return range(min(self._first, queries), queries)

    def record(self, layer: int, blocks: Iterable[Tensor], frame: KeyFrame) -> None:
        """Show the rows of one layer; see `AttentionCapture.record`."""
        first = self.recorded_rows(frame.queries).start
        for weights in blocks:
            for observer in self._observers:
                observer.attend(layer, first, weights[0])
            first += weights.shape[2]

    def check(self) -> None:
        """Check that every layer was seen.

        Raises:
            AttentionError: If one did not go through transformers' attention interface.
        """
        if missing := sorted(self.layers - self._visited):
            raise AttentionError(
                f"The layers {missing} of {type(self.model).__name__} did not go through "
                "transformers' attention interface, so their attention is unknown."
            )


class DifferentiableAttention(AttentionCapture):
    """Makes some attention rows differentiable in one forward pass, batch of one.

    To the output of each row a correction is added, zero times the values of the image tokens. Its
    gradient to these zeros is that of the pass to the row's attention, soft-max excluded, so that
    no attention matrix is needed and the model keeps its attention implementation.

    Attributes:
        weights: The attention of the rows by layer, float32 [heads, rows, cells].
        zeros: What is differentiated, by layer, in the same shape.
    """

    def __init__(
        self, model: PreTrainedModel, columns: Tensor, rows: Sequence[int], layers: Sequence[int]
    ) -> None:
        """Prepare.

        Args:
            model: The model that will be called once, without a cache, with gradients enabled.
            columns: int64 [n]: positions of the image tokens.
            rows: Positions of the queries, ascending.
            layers: Indices of the layers, from 0.

        Raises:
            AttentionError: If the attention of the model cannot be captured.
        """
        super().__init__(model, columns, layers=layers)
        self._rows = list(rows)
        self.weights: dict[int, Tensor] = {}
        self.zeros: dict[int, Tensor] = {}

    def recorded_rows(self, queries: int) -> range:
        """Return the queries from the first row on."""
        return range(self._rows[0], queries)

    def record(self, layer: int, blocks: Iterable[Tensor], frame: KeyFrame) -> None:
        """Keep the rows of one layer; see `AttentionCapture.record`."""
        columns, first = self.columns[0], self._rows[0]
        kept: list[Tensor] = []
        for weights in blocks:
            places = [r - first for r in self._rows if 0 <= r - first < weights.shape[2]]
            own = weights[0, :, places].detach()
            kept.append(own[:, :, columns.to(own.device)])
            first += weights.shape[2]
        self.weights[layer] = torch.cat(kept, dim=1)

    def adjusted(self, layer: int, output: Tensor, value: Tensor) -> Tensor:
        """Add the correction to the rows; see `AttentionCapture.adjusted`."""
        if layer not in self.layers:
            return output
        zeros = torch.zeros_like(self.weights[layer]).requires_grad_()
        self.zeros[layer] = zeros
        part = apply_rows(zeros[None], value[:, :, self.columns[0].to(value.device)])
        correction = torch.zeros_like(output).index_add(
            1, torch.tensor(self._rows, device=output.device), part.to(output.dtype)
        )
        return output + correction
