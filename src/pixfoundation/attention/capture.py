"""Capture the attention from each generated token to the image while a model generates.

A function registered with transformers' attention interface computes, in addition to the model's
own attention, the rows of the queries that emit tokens, and sums their image columns over heads and
layers. No attention matrix ever exists, and the model keeps its attention implementation.

    with AttentionCapture(model, columns) as capture:
        model.generate(**inputs, past_key_values=None, disable_compile=True)
    capture.rows()  # float32 [batch, 1 + tokens, image columns]

`model` is any transformers model whose decoder uses the attention interface, for instance a
multimodal model of the library or a bare `LlamaForCausalLM` fed with `inputs_embeds`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from contextvars import ContextVar
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol

import torch
from torch import Tensor
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from pixfoundation.attention.rows import (
    KeyFrame,
    VisibleKeys,
    apply_rows,
    attention_rows,
    gather_columns,
)
from pixfoundation.errors import PixFoundationError

PREFIX = "pixfoundation_over_"
_ROWS_AT_ONCE = 32  # bounds the memory when many rows of one forward pass are recorded

_UNKNOWN_EXTRAS = {
    "s_aux": "attention sinks",
    "position_bias": "a position bias",
    "cache": "a paged cache",
}
_active: ContextVar[AttentionCapture | None] = ContextVar("attention_capture", default=None)
_changer: ContextVar[MaskChanger | None] = ContextVar("attention_mask_changer", default=None)

Heads = Sequence[int] | Mapping[int, Sequence[int]] | None
"""Indices of query heads for all layers, or by layer; None for all heads."""


class AttentionError(PixFoundationError):
    """The attention of this model, or in this way of generating, cannot be captured."""


@dataclass(frozen=True, slots=True, eq=False)
class AttentionCall:
    """What a layer passes to its attention.

    Attributes:
        mask: The mask: boolean (True takes part) or additive, [batch or 1, heads or 1, queries,
            keys or more]; None if causality and window say everything.
        queries: Number of queries.
        keys: Number of keys, including the cache.
        causal: Whether later keys are hidden, if there is no mask.
        window: Sliding window in tokens, if there is no mask; None for none.
        takes_boolean: Whether the implementation takes boolean masks.
        dtype: Floating-point type of the queries.
        device: Where the queries are.
    """

    mask: Tensor | None
    queries: int
    keys: int
    causal: bool
    window: int | None
    takes_boolean: bool
    dtype: torch.dtype
    device: torch.device


class MaskChanger(Protocol):
    """Changes the masks of a model's attention on their way to it."""

    def change(self, layer: int, call: AttentionCall) -> Tensor | None:
        """Return the mask that a layer's attention gets instead."""
        ...


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
        config = _text_config(model)
        depth = config.num_hidden_layers
        if has_linear_attention(model):
            raise AttentionError(
                f"{type(model).__name__} has layers without attention (linear attention), so a "
                "mean over its layers would not be the attention of the model. Use another model, "
                "or ground its answers by coordinates."
            )
        if isinstance(heads, Mapping):
            layers = list(heads) if layers is None else layers
            heads = {_from_start(k, depth, "layer"): v for k, v in heads.items()}
        self.model = model
        self.columns = columns if columns.ndim == 2 else columns[None]
        self.layers = frozenset(
            range(depth) if layers is None else (_from_start(i, depth, "layer") for i in layers)
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
        if _active.get() is not None:
            raise AttentionError("Another attention capture is running in this thread.")
        self._unwrap = wrap_attention(self.model)
        self._token = _active.set(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        _active.reset(self._token)
        self._unwrap()

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
                weights = weights[:, [_from_start(i, heads, "head") for i in selected]]
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


def _attend(
    base: str,
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    scaling: float | None = None,
    **kwargs: Any,
) -> tuple[Tensor, Tensor | None]:
    """Compute the model's own attention, and record rows if a capture is active.

    query [B, H, Q, D]; key, value [B, Hkv, K, D], including the cache; returns [B, Q, H, D].
    """
    own = _own_attention(base, module, kwargs)
    capture, changer = _active.get(), _changer.get()
    layer = getattr(module, "layer_idx", None)
    causal = kwargs.get("is_causal")
    causal = getattr(module, "is_causal", True) if causal is None else causal
    if changer is not None and layer is not None:
        uses_eager = own is not _registered(base)
        attention_mask = changer.change(
            layer,
            AttentionCall(
                attention_mask,
                query.shape[2],
                key.shape[2],
                causal,
                kwargs.get("sliding_window"),
                not uses_eager,
                query.dtype,
                query.device,
            ),
        )
    if capture is None or layer is None:
        return own(module, query, key, value, attention_mask, scaling=scaling, **kwargs)
    for name, meaning in _UNKNOWN_EXTRAS.items():
        if kwargs.get(name) is not None:
            raise AttentionError(
                f"{type(module).__name__} attends with {meaning}, which the capture does not model."
            )
    queries = query.shape[2]
    frame = capture.begin(layer, queries, key.shape[2])
    arguments: dict[str, Any] = {
        "scaling": query.shape[-1] ** -0.5 if scaling is None else scaling,
        "softcap": kwargs.get("softcap"),
        "visible": VisibleKeys(attention_mask, causal, kwargs.get("sliding_window")),
    }
    if queries == 1 and base in ("sdpa", "eager"):
        # One row is the whole matrix: applied to the values it is the output as well.
        weights = attention_rows(query, key, range(1), frame, **arguments)
        if layer in capture.layers:
            capture.record(layer, (weights,), frame)
        return apply_rows(weights, value).contiguous(), None
    if layer in capture.layers:
        rows = capture.recorded_rows(queries)
        blocks = (
            attention_rows(query, key, rows[i : i + _ROWS_AT_ONCE], frame, **arguments)
            for i in range(0, len(rows), _ROWS_AT_ONCE)
        )
        capture.record(layer, blocks, frame)
    output, own_weights = own(module, query, key, value, attention_mask, scaling=scaling, **kwargs)
    return capture.adjusted(layer, output, value), own_weights


def _own_attention(
    base: str, module: torch.nn.Module, kwargs: Mapping[str, Any]
) -> Callable[..., tuple[Tensor, Tensor | None]]:
    """Return the attention that the model would use without a capture."""
    registered = _registered(base)
    if registered is not None and not (base == "sdpa" and kwargs.get("softcap") is not None):
        return registered
    # The eager function is in the model's file; scaled-dot-product attention has no softcap.
    return sys.modules[type(module).__module__].eager_attention_forward


def _registered(base: str) -> Callable[..., tuple[Tensor, Tensor | None]] | None:
    """Return an attention implementation by name; None for the eager one, which models bring."""
    functions: Any = ALL_ATTENTION_FUNCTIONS
    return None if base == "eager" else functions[base]


def wrap_attention(model: PreTrainedModel) -> Callable[[], None]:
    """Let a model's attention go through this module; a wrapped one stays as it is.

    Returns:
        A function that undoes it.
    """
    name: str = _text_config(model)._attn_implementation or "eager"
    if name.startswith(PREFIX):
        return lambda: None
    _set_implementation(model, _wrapped(name))
    return lambda: _set_implementation(model, name)


def change_masks(changer: MaskChanger) -> Callable[[], None]:
    """Let a changer see the masks of all wrapped attention in this thread.

    Returns:
        A function that undoes it.

    Raises:
        AttentionError: If there is one already.
    """
    if _changer.get() is not None:
        raise AttentionError("Another knockout of attention is running in this thread.")
    token = _changer.set(changer)
    return lambda: _changer.reset(token)


def attention_implementation(model: PreTrainedModel) -> str:
    """Return the name of a model's attention implementation, wrapped or not."""
    name: str = _text_config(model)._attn_implementation or "eager"
    return name.removeprefix(PREFIX)


def count_layers(model: PreTrainedModel) -> int:
    """Return the number of decoder layers of a model."""
    return _text_config(model).num_hidden_layers


def has_linear_attention(model: PreTrainedModel) -> bool:
    """Return whether some decoder layers of a model mix tokens without attention."""
    return "linear_attention" in (getattr(_text_config(model), "layer_types", None) or ())


def layer_index(index: int, depth: int) -> int:
    """Return a non-negative index of a layer for one that may be negative.

    Raises:
        AttentionError: If there is no such layer.
    """
    return _from_start(index, depth, "layer")


def _wrapped(base: str) -> str:
    """Register the wrapper of an attention implementation and return its name.

    The wrapper is registered with the mask interface as well: for an unknown name transformers
    builds no mask at all, so padding and sliding windows would be ignored silently.
    """
    name = PREFIX + base
    if name not in ALL_ATTENTION_FUNCTIONS.valid_keys():

        def attend(*args: Any, **kwargs: Any) -> tuple[Tensor, Tensor | None]:
            return _attend(base, *args, **kwargs)

        attentions: Any = AttentionInterface
        masks: Any = AttentionMaskInterface
        mask_functions: Any = ALL_MASK_ATTENTION_FUNCTIONS
        attentions.register(name, attend)
        masks.register(name, mask_functions[base])
    return name


def _set_implementation(model: PreTrainedModel, name: str) -> None:
    """Set the attention implementation of the text part; the vision tower keeps its own."""
    text = _text_config(model)
    untyped: Any = model
    if text is model.config:
        untyped.set_attn_implementation(name)
        return
    sub_configs: Mapping[str, Any] = untyped.config.sub_configs
    for key in sub_configs:
        if getattr(model.config, key, None) is text:
            untyped.set_attn_implementation({key: name})
            return
    raise AttentionError(
        f"The text configuration of {type(model).__name__} is not among the `sub_configs` of its "
        "configuration, so its attention cannot be switched. Use another model."
    )


def _text_config(model: PreTrainedModel) -> Any:
    config: Any = model.config
    return config.get_text_config()


def _from_start(index: int, size: int, kind: str) -> int:
    """Return a non-negative index for one that may be negative."""
    if not -size <= index < size:
        raise AttentionError(
            f"There is no {kind} {index}: the model has {size} {kind}s, from 0 to {size - 1}."
        )
    return index % size
