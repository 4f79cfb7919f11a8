"""Attention knockout: text positions may not attend to some of the image tokens.

    with AttentionKnockout(model, columns, after=last_image_position):
        model(**inputs)

The blocked weights are zero and the others of a row still sum to 1, as if the blocked tokens were
not there. Attention between image tokens stays as it is. The model keeps its attention
implementation; the mask that it gets is changed on the way, by the wrapper of
`attention.interface`. The capture uses it too, so both can be active at once (enter the capture
first).

Method: Geva et al. (arXiv 2304.14767); for image tokens arXiv 2411.18620, with windows of layers.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from types import TracebackType

import torch
from torch import Tensor
from transformers import PreTrainedModel

from pixfoundation.attention.interface import (
    AttentionCall,
    AttentionError,
    attention_implementation,
    change_masks,
    count_layers,
    from_start,
    has_linear_attention,
    wrap_attention,
)
from pixfoundation.attention.rows import KeyFrame, hidden_keys

SUPPORTED = ("sdpa", "eager")
"""Attention implementations that take one mask per sequence."""


class AttentionKnockout(AbstractContextManager["AttentionKnockout"]):
    """Blocks attention to columns in the forward passes of its `with` block.

    Prompts must not be padded in the middle; several sequences of a batch may block different
    columns in different layers.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        columns: Tensor,
        *,
        after: int,
        layers: Sequence[Sequence[int] | None] | None = None,
        past_length: int = 0,
    ) -> None:
        """Prepare a knockout.

        Args:
            model: The model that will be called.
            columns: bool [batch, positions]: the positions of the sequence that each sequence of
                the batch may not attend to. Positions behind the last column are open.
            after: Only rows behind this position are blocked: that of the last image token.
            layers: For each sequence of the batch the layers that block, negative ones from the
                end; None for all layers.
            past_length: Number of tokens that a cache contains before the first forward pass.

        Raises:
            AttentionError: If the model's attention takes no mask per sequence, the shapes do not
                fit, or a layer does not exist.
        """
        base = attention_implementation(model)
        if base not in SUPPORTED:
            raise AttentionError(
                f"The attention {base!r} takes no mask that blocks single tokens. Load the model "
                "with the model option attn=sdpa."
            )
        if has_linear_attention(model):
            raise AttentionError(
                f"{type(model).__name__} has layers without attention (linear attention), through "
                "which the text reads the image whatever is blocked. Use another model."
            )
        depth = count_layers(model)
        choices = [None] * len(columns) if layers is None else list(layers)
        if columns.ndim != 2 or columns.dtype != torch.bool or len(choices) != len(columns):
            raise AttentionError(
                "Expected columns bool [batch, positions] and layers for each sequence, but got "
                f"{columns.dtype} {list(columns.shape)} and {len(choices)}."
            )
        self._model = model
        self._columns = columns
        self._after = after
        self._blocks = torch.zeros(depth, len(columns), dtype=torch.bool)
        for row, choice in enumerate(choices):
            own = (
                range(depth) if choice is None else [from_start(i, depth, "layer") for i in choice]
            )
            self._blocks[list(own), row] = True
        self._seen = [past_length] * depth

    def __enter__(self) -> AttentionKnockout:
        with ExitStack() as stack:
            stack.callback(wrap_attention(self._model))
            stack.callback(change_masks(self))
            self._undo = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._undo.close()

    def change(self, layer: int, call: AttentionCall) -> Tensor | None:
        """Return the mask of one layer with the columns blocked.

        Args:
            layer: Index of the layer.
            call: The layer's call of its attention.

        Returns:
            [batch, heads or 1, queries, keys], boolean or additive as the implementation takes it;
            the mask as it was if this layer blocks nothing.
        """
        queries, keys = call.queries, call.keys
        self._seen[layer] += queries
        active = self._blocks[layer]
        if not active.any():
            return call.mask
        frame = KeyFrame(self._seen[layer], queries, keys)
        at_query = torch.arange(frame.position(0), frame.position(queries))
        rows = at_query > self._after  # (Q)
        at_key = torch.arange(keys) + frame.offset
        in_range = at_key < self._columns.shape[1]
        chosen = self._columns[:, at_key.clamp(max=self._columns.shape[1] - 1)] & in_range  # (B, K)
        blocked = (active[:, None] & chosen)[:, None, None] & rows[:, None]  # (B, 1, Q, K)
        return _with_blocks(call, frame, blocked.to(call.device))


def _with_blocks(call: AttentionCall, frame: KeyFrame, blocked: Tensor) -> Tensor:
    """Return the mask of a call with blocked pairs, bool [batch, 1, queries, keys]."""
    mask = call.mask
    if mask is None:
        hidden = hidden_keys(range(call.queries), frame, call.causal, call.window, call.device)
        closed = blocked if hidden is None else blocked | hidden
        if call.takes_boolean:
            return ~closed
        open_ = torch.zeros(closed.shape, dtype=call.dtype, device=call.device)
        return open_.masked_fill(closed, torch.finfo(call.dtype).min)
    if mask.ndim != 4:
        raise AttentionError(
            f"Expected an attention mask of four dimensions, but got {list(mask.shape)}. Load the "
            "model with the model option attn=sdpa."
        )
    mask = mask[..., : blocked.shape[-1]]
    if mask.dtype == torch.bool:
        return mask & ~blocked
    wide = mask.expand(len(blocked), -1, -1, -1)
    return wide.masked_fill(blocked, torch.finfo(mask.dtype).min)
