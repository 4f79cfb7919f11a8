"""Compute a few rows of an attention matrix without the matrix.

This is soft-max attention for selected query rows: grouped key heads are never expanded, and the
largest tensor is [batch, heads, rows, keys].
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class KeyFrame:
    """The position of the keys of one attention call in the sequence.

    Attributes:
        seen: Number of tokens in the sequence up to and including the queries of this call.
        queries: Number of queries in this call; the last of them is token `seen - 1`.
        keys: Number of keys. It is less than `seen` if a sliding window dropped the oldest keys,
            and more if a static cache has free space.
    """

    seen: int
    queries: int
    keys: int

    @property
    def offset(self) -> int:
        """Position in the sequence of the first key."""
        return max(0, self.seen - self.keys)

    def position(self, query: int) -> int:
        """Return the position in the sequence of a query of this call."""
        return self.seen - self.queries + query


@dataclass(frozen=True, slots=True)
class VisibleKeys:
    """Which keys a query may attend to.

    Attributes:
        mask: The mask that the model's attention got: boolean (True takes part) or additive
            [batch or 1, heads or 1, queries, keys or more]; or a padding mask [batch, keys];
            or None.
        causal: Whether later keys are hidden, if the mask is not of the four-dimensional kind.
        window: Sliding window in tokens, if the mask is not of the four-dimensional kind.
    """

    mask: Tensor | None = None
    causal: bool = True
    window: int | None = None


def attention_rows(
    query: Tensor,
    key: Tensor,
    rows: range,
    frame: KeyFrame,
    *,
    scaling: float,
    softcap: float | None = None,
    visible: VisibleKeys = VisibleKeys(),
) -> Tensor:
    """Compute the attention of selected query rows.

    Args:
        query: [batch, heads, queries, dim], rotated.
        key: [batch, key heads, keys, dim]; heads is a multiple of key heads.
        rows: Indices of the selected queries.
        frame: Position of the keys in the sequence.
        scaling: Factor applied to the products of queries and keys.
        softcap: Bound on the products, `tanh(x / softcap) * softcap`; None for no bound.
        visible: Which keys the queries may attend to; earlier ones by default.

    Returns:
        float32 [batch, heads, rows, keys]; the rows sum to 1 over the keys.
    """
    batch, heads, _, dim = query.shape
    key_heads, keys = key.shape[1], key.shape[2]
    selected = query[:, :, rows.start : rows.stop]  # (B, H, R, D)
    grouped = selected.reshape(batch, key_heads, -1, dim)  # (B, Hkv, G * R, D)
    logits = torch.matmul(grouped, key.transpose(2, 3)) * scaling  # (B, Hkv, G * R, K)
    logits = logits.view(batch, heads, len(rows), keys).float()
    if softcap is not None:
        logits = torch.tanh(logits / softcap) * softcap
    lowest, mask = torch.finfo(torch.float32).min, visible.mask
    if mask is not None and mask.ndim == 4:
        part = mask[:, :, rows.start : rows.stop, :keys]
        if part.dtype == torch.bool:
            logits = logits.masked_fill(~part, lowest)
        else:
            logits = logits + part.float()
        return torch.softmax(logits, dim=-1)

    if mask is not None:
        padding = torch.nn.functional.pad(mask[:, -keys:].bool(), (0, keys - mask.shape[1]))
        logits = logits.masked_fill(~padding[:, None, None], lowest)
    hidden = hidden_keys(rows, frame, visible.causal, visible.window, logits.device)
    if hidden is not None:
        logits = logits.masked_fill(hidden, lowest)
    return torch.softmax(logits, dim=-1)


def hidden_keys(
    rows: range, frame: KeyFrame, causal: bool, window: int | None, device: torch.device
) -> Tensor | None:
    """Return the keys that causality and window hide from selected queries.

    Args:
        rows: Indices of the selected queries.
        frame: Position of the keys in the sequence.
        causal: Whether later keys are hidden.
        window: Sliding window in tokens; None for none.
        device: Device of the result.

    Returns:
        bool [rows, keys]; None if they hide no key.
    """
    first, last = frame.position(rows.start), frame.position(rows.stop - 1)
    future = causal and frame.offset + frame.keys - 1 > first
    past = window is not None and last - frame.offset >= window
    if not future and not past:
        return None
    at_key = torch.arange(frame.keys, device=device) + frame.offset  # (K)
    at_query = torch.arange(first, last + 1, device=device)[:, None]  # (R, 1)
    hidden = torch.zeros(len(rows), frame.keys, dtype=torch.bool, device=device)
    if causal:
        hidden |= at_key > at_query
    if window is not None:
        hidden |= at_key <= at_query - window
    return hidden


def apply_rows(weights: Tensor, value: Tensor) -> Tensor:
    """Apply attention rows to the values, which gives the output of attention for these rows.

    Args:
        weights: float32 [batch, heads, rows, keys].
        value: [batch, key heads, keys, dim].

    Returns:
        [batch, rows, heads, dim] in the values' dtype.
    """
    batch, heads, rows, keys = weights.shape
    grouped = weights.to(value.dtype).view(batch, value.shape[1], -1, keys)  # (B, Hkv, G * R, K)
    output = torch.matmul(grouped, value).view(batch, heads, rows, -1)  # (B, H, R, D)
    return output.transpose(1, 2)


def gather_columns(weights: Tensor, columns: Tensor, frame: KeyFrame) -> Tensor:
    """Select columns by their position in the sequence.

    Args:
        weights: [batch, rows, keys].
        columns: int64 [batch, n] positions in the sequence.
        frame: Position of the keys in the sequence.

    Returns:
        [batch, rows, n]; zero for positions that a sliding window has dropped.
    """
    index = columns - frame.offset  # (B, n)
    present = (index >= 0) & (index < frame.keys)
    expanded = index.clamp(0, frame.keys - 1)[:, None].expand(-1, weights.shape[1], -1)
    return torch.gather(weights, 2, expanded) * present[:, None]
