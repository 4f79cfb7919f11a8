"""Capture the attention from each generated token to the image while a model generates.

In addition to the model's own attention, the rows of the queries that emit tokens are computed, and
their image columns are summed over heads and layers; see `attention.interface`. No attention matrix
ever exists, and the model keeps its attention implementation.

    with AttentionCapture(model, columns) as capture:
        model.generate(**inputs, past_key_values=None, disable_compile=True)
    capture.rows()  # float32 [batch, 1 + tokens, image columns]

`model` is any transformers model whose decoder uses the attention interface, for instance a
multimodal model of the library or a bare `LlamaForCausalLM` fed with `inputs_embeds`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from types import TracebackType

import torch
from torch import Tensor
from transformers import PreTrainedModel

from pixfoundation.attention.interface import (
    AttentionError,
    count_layers,
    from_start,
    has_linear_attention,
    record_rows,
    wrap_attention,
)
from pixfoundation.attention.rows import KeyFrame, gather_columns

Heads = Sequence[int] | Mapping[int, Sequence[int]] | None
"""Indices of query heads for all layers, or by layer; None for all heads."""


class AttentionCapture(AbstractContextManager["AttentionCapture"]):
    """Records the image columns of attention rows in the forward passes of its `with` block.

    The first forward pass contains (the end of) the prompt; its last `prompt_rows` rows are
    recorded. Each later pass must contain one token per sequence; its row is recorded. Row r of the
    result is the query at sequence position `prompt length - prompt_rows + r`. With two prompt
    rows, row 0 is the last but one prompt token, row 1 the query that emitted the first new token,
    row 2 the query that *is* the first new token and emitted the second, and so on. With teacher
    forcing, one pass over prompt and answer with `prompt_rows = tokens + 2` gives the same rows.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        columns: Tensor,
        *,
        layers: Sequence[int] | None = None,
        heads: Heads = None,
        prompt_rows: int = 2,
        past_length: int = 0,
    ) -> None:
        """Prepare a capture.

        Args:
            model: The model that will be called. Its attention implementation is wrapped in the
                block and restored after it.
            columns: int64 [n] or [batch, n]: positions of the image tokens in the decoder's
                sequence, including padding on the left.
            layers: Indices of decoder layers, negative ones from the end; all by default.
            heads: Indices of query heads, negative ones from the end, for all layers or by layer;
                all by default. The result is the mean over all selected pairs of layer and head.
            prompt_rows: Number of rows of the first forward pass to record, counted from its end.
            past_length: Number of tokens that a cache contains before the first forward pass.

        Raises:
            AttentionError: If the model cannot be captured or a layer does not exist.
        """
        depth = count_layers(model)
        if has_linear_attention(model):
            raise AttentionError(
                f"{type(model).__name__} has layers without attention (linear attention), so a "
                "mean over its layers would not be the attention of the model. Use another model, "
                "or ground its answers by coordinates."
            )
        if isinstance(heads, Mapping):
            layers = list(heads) if layers is None else layers
            heads = {from_start(k, depth, "layer"): v for k, v in heads.items()}
        self.model = model
        self.columns = columns if columns.ndim == 2 else columns[None]
        self.layers = frozenset(
            range(depth) if layers is None else (from_start(i, depth, "layer") for i in layers)
        )
        self.heads = heads
        self.prompt_rows = prompt_rows
        self._seen = past_length  # tokens before the current forward pass
        self._queries = 0  # queries of the current forward pass
        self._visited: set[int] = set()  # layers that the current forward pass has visited
        self._sum: Tensor | None = None  # (B, R, n) of the current forward pass
        self._pairs = 0  # layer-head pairs in that sum
        self._steps: list[Tensor] = []

    # ---- context manager ---------------------------------------------------------------------

    def __enter__(self) -> AttentionCapture:
        with ExitStack() as stack:
            stack.callback(record_rows(self))
            stack.callback(wrap_attention(self.model))
            self._undo = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._undo.close()

    def rows(self) -> Tensor:
        """Return the recorded rows.

        Returns:
            float32 [batch, rows, n] on the CPU, where rows = min(`prompt_rows`, queries of the
            first forward pass) + later forward passes.

        Raises:
            AttentionError: If nothing was recorded or layers are missing from a step.
        """
        if self._visited:
            self._close_step()
        if not self._steps:
            raise AttentionError(
                "No forward pass of the model went through the attention capture. Call the model "
                "within its `with` block."
            )
        return torch.cat([step.cpu() for step in self._steps], dim=1)

    # ---- called by the attention -------------------------------------------------------------

    def begin(self, layer: int, queries: int, keys: int) -> KeyFrame:
        """Register that a layer is about to attend; its second visit starts a new step.

        Args:
            layer: Index of the layer.
            queries: Number of queries of this forward pass.
            keys: Number of keys, including the cache.

        Returns:
            The position of the keys in the sequence.

        Raises:
            AttentionError: If more than one token per sequence follows the prompt.
        """
        if layer in self._visited:
            self._close_step()
        if not self._visited:
            self._queries = queries
            if queries > 1 and self._steps:
                raise AttentionError(
                    f"A forward pass of {queries} tokens followed the prompt. Capture needs one "
                    "token per step: no assisted decoding, beams or chunked prefill."
                )
        self._visited.add(layer)
        return KeyFrame(self._seen + queries, queries, keys)

    def recorded_rows(self, queries: int) -> range:
        """Return the indices of the queries of a forward pass that are recorded."""
        return range(max(0, queries - self.prompt_rows), queries)

    def record(self, layer: int, blocks: Iterable[Tensor], frame: KeyFrame) -> None:
        """Add the rows of one layer to the current step.

        Args:
            layer: Index of the layer.
            blocks: float32 [batch, heads, rows, keys], consecutive rows; each is reduced before the
                next is asked for.
            frame: Position of the keys in the sequence.
        """
        selected = self.heads.get(layer) if isinstance(self.heads, Mapping) else self.heads
        parts: list[Tensor] = []
        pairs = 0
        for weights in blocks:
            if selected is not None:
                heads = weights.shape[1]
                weights = weights[:, [from_start(i, heads, "head") for i in selected]]
            columns = self.columns.to(weights.device, non_blocking=True)
            parts.append(
                gather_columns(weights.sum(dim=1), columns.expand(weights.shape[0], -1), frame)
            )  # (B, R, n)
            pairs = weights.shape[1]
        part = parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)
        self._sum = part if self._sum is None else self._sum + part.to(self._sum.device)
        self._pairs += pairs

    def adjusted(self, layer: int, output: Tensor, value: Tensor) -> Tensor:
        """Return what a layer's attention gives instead of its output; here the output itself.

        Args:
            layer: Index of the layer.
            output: [batch, queries, heads, dim], the output of the model's own attention.
            value: [batch, key heads, keys, dim].
        """
        return output

    def _close_step(self) -> None:
        missing = self.layers - self._visited
        if missing or self._sum is None:
            raise AttentionError(
                f"The layers {sorted(missing)} of {type(self.model).__name__} did not go through "
                "transformers' attention interface, so their attention is unknown."
            )
        self._steps.append(self._sum / self._pairs)
        self._seen += self._queries
        self._sum, self._pairs, self._visited = None, 0, set()
