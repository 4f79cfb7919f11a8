"""Captures the attention from each generated token to the image while a model generates.

A function registered with transformers' attention interface computes, beside the model's own
attention, the rows of the queries that emit tokens and adds their image columns up over heads and
layers. No attention matrix ever exists, and any attention implementation of the model stays in use.

    with AttentionCapture(model, columns) as capture:
        model.generate(**inputs, past_key_values=None, disable_compile=True)
    capture.rows()  # float32 [batch, 1 + tokens, image columns]

`model` is any transformers model whose decoder uses the attention interface, for instance a
multimodal model of the library or a bare `LlamaForCausalLM` fed with `inputs_embeds`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from contextvars import ContextVar
from types import TracebackType
from typing import Any

import torch
from torch import Tensor
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from pixfoundation.attention.rows import KeyFrame, apply_rows, attention_rows, gather_columns
from pixfoundation.errors import PixFoundationError

PREFIX = "pixfoundation_over_"
_ROWS_AT_ONCE = 32  # bounds the memory when many rows of one forward are wanted

_UNKNOWN_EXTRAS = {
    "s_aux": "attention sinks",
    "position_bias": "a position bias",
    "cache": "a paged cache",
}
_active: ContextVar[AttentionCapture | None] = ContextVar("attention_capture", default=None)

Heads = Sequence[int] | Mapping[int, Sequence[int]] | None


class AttentionError(PixFoundationError):
    """The attention of a model, or of this way of generating, cannot be captured."""


class AttentionCapture(AbstractContextManager["AttentionCapture"]):
    """Records image columns of attention rows during the forwards inside its `with` block.

    The first forward holds (the end of) the prompt; its last `prompt_rows` rows are recorded. Each
    later forward must hold one token a sequence; its row is recorded. Row r of the result then is
    the query at sequence position `prompt length - prompt_rows + r`: with two prompt rows, row 0
    is the last but one prompt token, row 1 the query that emitted the first new token, row 2 the
    query that *is* the first new token and emitted the second, and so on. For teacher forcing,
    one forward over prompt and answer with `prompt_rows = tokens + 2` gives the same.
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
            model: The model that will be called; its attention implementation is wrapped inside
                the block and restored after it.
            columns: int64 [n] or [batch, n]: positions of the image tokens in the sequence as the
                decoder sees it, padding on the left counted.
            layers: Indices of decoder layers, negative ones from the end; all by default.
            heads: Indices of query heads, negative ones from the end, for all layers or by layer;
                all by default. The result is the mean over all chosen pairs of layer and head.
            prompt_rows: How many rows of the first forward are recorded, from its end.
            past_length: Tokens that a given cache already holds before the first forward.

        Raises:
            AttentionError: If the model cannot be captured or a layer does not exist.
        """
        config = model.config.get_text_config()
        depth = config.num_hidden_layers
        if "linear_attention" in (getattr(config, "layer_types", None) or ()):
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
        self._seen = past_length  # tokens before the running forward
        self._queries = 0  # queries of the running forward
        self._visited: set[int] = set()  # layers done in the running forward
        self._sum: Tensor | None = None  # (B, R, n) of the running forward
        self._pairs = 0  # layer-head pairs in that sum
        self._steps: list[Tensor] = []

    # ---- as a context ------------------------------------------------------------------------

    def __enter__(self) -> AttentionCapture:
        if _active.get() is not None:
            raise AttentionError("Another attention capture is running in this thread.")
        self._base = self.model.config.get_text_config()._attn_implementation or "eager"
        _set_implementation(self.model, _wrapped(self._base))
        self._token = _active.set(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        _active.reset(self._token)
        _set_implementation(self.model, self._base)

    def rows(self) -> Tensor:
        """Return what was recorded.

        Returns:
            float32 [batch, rows, n] on the CPU, where rows = min(`prompt_rows`, queries of the
            first forward) + later forwards.

        Raises:
            AttentionError: If nothing was recorded or layers are missing from a step.
        """
        if self._visited:
            self._close_step()
        if not self._steps:
            raise AttentionError("No forward of the model went through the attention capture.")
        return torch.cat([step.cpu() for step in self._steps], dim=1)

    # ---- as called by the attention ----------------------------------------------------------

    def begin(self, layer: int, queries: int, keys: int) -> KeyFrame:
        """Note that a layer is about to attend; a layer's second visit starts a new step."""
        if layer in self._visited:
            self._close_step()
        if not self._visited:
            self._queries = queries
            if queries > 1 and self._steps:
                raise AttentionError(
                    f"A forward of {queries} tokens followed the prompt. Capture needs one token "
                    "a step: no assisted decoding, beams or chunked prefill."
                )
        self._visited.add(layer)
        return KeyFrame(self._seen + queries, queries, keys)

    def wanted_rows(self, queries: int) -> range:
        """Return which queries of a forward are recorded."""
        return range(max(0, queries - self.prompt_rows), queries)

    def record(self, layer: int, weights: Tensor, frame: KeyFrame) -> None:
        """Add one layer's rows, float32 [batch, heads, rows, keys], to the running step."""
        chosen = self.heads.get(layer) if isinstance(self.heads, Mapping) else self.heads
        if chosen is not None:
            heads = weights.shape[1]
            weights = weights[:, [_from_start(i, heads, "head") for i in chosen]]
        columns = self.columns.to(weights.device, non_blocking=True)
        part = gather_columns(
            weights.sum(dim=1), columns.expand(weights.shape[0], -1), frame
        )  # (B, R, n)
        self._sum = part if self._sum is None else self._sum + part.to(self._sum.device)
        self._pairs += weights.shape[1]

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
    """The model's own attention, with wanted rows computed beside it.

    query [B, H, Q, D]; key, value [B, Hkv, K, D], the cache included; returns [B, Q, H, D].
    """
    own = _own_attention(base, module, kwargs)
    capture = _active.get()
    layer = getattr(module, "layer_idx", None)
    if capture is None or layer is None:
        return own(module, query, key, value, attention_mask, scaling=scaling, **kwargs)
    for name, meaning in _UNKNOWN_EXTRAS.items():
        if kwargs.get(name) is not None:
            raise AttentionError(
                f"{type(module).__name__} attends with {meaning}, which the capture does not model."
            )
    queries = query.shape[2]
    frame = capture.begin(layer, queries, key.shape[2])
    causal = kwargs.get("is_causal")
    arguments: dict[str, Any] = {
        "scaling": query.shape[-1] ** -0.5 if scaling is None else scaling,
        "mask": attention_mask,
        "causal": getattr(module, "is_causal", True) if causal is None else causal,
        "window": kwargs.get("sliding_window"),
        "softcap": kwargs.get("softcap"),
    }
    if queries == 1 and base in ("sdpa", "eager"):
        # One row is the whole matrix: applied to the values it is the output as well.
        weights = attention_rows(query, key, range(1), frame, **arguments)
        if layer in capture.layers:
            capture.record(layer, weights, frame)
        return apply_rows(weights, value).contiguous(), None
    if layer in capture.layers:
        wanted = capture.wanted_rows(queries)
        parts = [
            attention_rows(query, key, wanted[i : i + _ROWS_AT_ONCE], frame, **arguments)
            for i in range(0, len(wanted), _ROWS_AT_ONCE)
        ]
        capture.record(layer, parts[0] if len(parts) == 1 else torch.cat(parts, dim=2), frame)
    return own(module, query, key, value, attention_mask, scaling=scaling, **kwargs)


def _own_attention(
    base: str, module: torch.nn.Module, kwargs: Mapping[str, Any]
) -> Callable[..., tuple[Tensor, Tensor | None]]:
    """Return the attention that the model would use without a capture."""
    if base != "eager" and not (base == "sdpa" and kwargs.get("softcap") is not None):
        return ALL_ATTENTION_FUNCTIONS[base]
    # The eager function is the model file's own; scaled-dot-product attention knows no softcap.
    return sys.modules[type(module).__module__].eager_attention_forward


def _wrapped(base: str) -> str:
    """Register the wrapper of an attention implementation and returns its name.

    The mask interface needs the same name: for one that it does not know, transformers builds no
    mask at all, and padding and sliding windows would silently vanish.
    """
    name = PREFIX + base
    if name not in ALL_ATTENTION_FUNCTIONS.valid_keys():

        def attend(*args: Any, **kwargs: Any) -> tuple[Tensor, Tensor | None]:
            return _attend(base, *args, **kwargs)

        AttentionInterface.register(name, attend)
        AttentionMaskInterface.register(name, ALL_MASK_ATTENTION_FUNCTIONS[base])
    return name


def _set_implementation(model: PreTrainedModel, name: str) -> None:
    """Set the attention of the text part alone; the vision tower keeps its own."""
    text = model.config.get_text_config()
    if text is model.config:
        model.set_attn_implementation(name)
        return
    for key in model.config.sub_configs:
        if getattr(model.config, key, None) is text:
            model.set_attn_implementation({key: name})
            return
    raise AttentionError(
        f"{type(model).__name__} keeps its text configuration where transformers does not announce "
        "it, so its attention cannot be switched. Use another model."
    )


def _from_start(index: int, size: int, kind: str) -> int:
    """Turn an index that may count from the end into one that counts from the start."""
    if not -size <= index < size:
        raise AttentionError(f"There is no {kind} {index}: the model has {size} {kind}s.")
    return index % size
