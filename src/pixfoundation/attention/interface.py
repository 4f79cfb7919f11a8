"""Let the attention of a model of transformers be recorded and its masks be changed.

A function registered with transformers' attention interface stands before the model's own
attention, which goes on to compute the output. Recorders see rows of it, computed in addition;
changers see the masks on their way to it. The model keeps its attention implementation.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from pixfoundation.attention.rows import KeyFrame, VisibleKeys, apply_rows, attention_rows
from pixfoundation.errors import PixFoundationError

PREFIX = "pixfoundation_over_"
_ROWS_AT_ONCE = 32  # bounds the memory when many rows of one forward pass are recorded

_UNKNOWN_EXTRAS = {
    "s_aux": "attention sinks",
    "position_bias": "a position bias",
    "cache": "a paged cache",
}
T = TypeVar("T")

_recorder: ContextVar[RowRecorder | None] = ContextVar("attention_recorder", default=None)
_changer: ContextVar[MaskChanger | None] = ContextVar("attention_mask_changer", default=None)


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


class RowRecorder(Protocol):
    """Records attention rows; see `attention.capture.AttentionCapture`."""

    layers: frozenset[int]
    """Indices of the decoder layers whose rows are recorded."""

    def begin(self, layer: int, queries: int, keys: int) -> KeyFrame:
        """Register that a layer is about to attend; return the position of its keys."""
        ...

    def recorded_rows(self, queries: int) -> range:
        """Return the indices of the queries of a forward pass that are recorded."""
        ...

    def record(self, layer: int, blocks: Iterable[Tensor], frame: KeyFrame) -> None:
        """Record rows of one layer, float32 [batch, heads, rows, keys], block by block."""
        ...

    def adjusted(self, layer: int, output: Tensor, value: Tensor) -> Tensor:
        """Return what a layer's attention gives instead of its output."""
        ...


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
    """Compute the model's own attention, and record rows if a recorder is active.

    query [B, H, Q, D]; key, value [B, Hkv, K, D], including the cache; returns [B, Q, H, D].
    """
    own = _own_attention(base, module, kwargs)
    recorder, changer = _recorder.get(), _changer.get()
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
    if recorder is None or layer is None:
        return own(module, query, key, value, attention_mask, scaling=scaling, **kwargs)
    for name, meaning in _UNKNOWN_EXTRAS.items():
        if kwargs.get(name) is not None:
            raise AttentionError(
                f"{type(module).__name__} attends with {meaning}, which the capture does not model."
            )
    queries = query.shape[2]
    frame = recorder.begin(layer, queries, key.shape[2])
    arguments: dict[str, Any] = {
        "scaling": query.shape[-1] ** -0.5 if scaling is None else scaling,
        "softcap": kwargs.get("softcap"),
        "visible": VisibleKeys(attention_mask, causal, kwargs.get("sliding_window")),
    }
    if queries == 1 and base in ("sdpa", "eager"):
        # One row is the whole matrix: applied to the values it is the output as well.
        weights = attention_rows(query, key, range(1), frame, **arguments)
        if layer in recorder.layers:
            recorder.record(layer, (weights,), frame)
        return apply_rows(weights, value).contiguous(), None
    if layer in recorder.layers:
        rows = recorder.recorded_rows(queries)
        blocks = (
            attention_rows(query, key, rows[i : i + _ROWS_AT_ONCE], frame, **arguments)
            for i in range(0, len(rows), _ROWS_AT_ONCE)
        )
        recorder.record(layer, blocks, frame)
    output, own_weights = own(module, query, key, value, attention_mask, scaling=scaling, **kwargs)
    return recorder.adjusted(layer, output, value), own_weights


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


def record_rows(recorder: RowRecorder) -> Callable[[], None]:
    """Let a recorder see the rows of all wrapped attention in this thread.

    Returns:
        A function that undoes it.

    Raises:
        AttentionError: If there is one already.
    """
    return _set_once(_recorder, recorder, "attention capture")


def change_masks(changer: MaskChanger) -> Callable[[], None]:
    """Let a changer see the masks of all wrapped attention in this thread.

    Returns:
        A function that undoes it.

    Raises:
        AttentionError: If there is one already.
    """
    return _set_once(_changer, changer, "knockout of attention")


def _set_once(variable: ContextVar[T | None], value: T, what: str) -> Callable[[], None]:
    if variable.get() is not None:
        raise AttentionError(f"Another {what} is running in this thread.")
    token = variable.set(value)
    return lambda: variable.reset(token)


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


def from_start(index: int, size: int, kind: str) -> int:
    """Return a non-negative index of a layer or head for one that may be negative.

    Args:
        index: The index, negative ones from the end.
        size: Number of layers or heads.
        kind: 'layer' or 'head', for the message.

    Raises:
        AttentionError: If there is no such layer or head.
    """
    if not -size <= index < size:
        raise AttentionError(
            f"There is no {kind} {index}: the model has {size} {kind}s, from 0 to {size - 1}."
        )
    return index % size
