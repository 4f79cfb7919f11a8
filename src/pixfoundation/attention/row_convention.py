"""From the rows of a trace to one map a token: which row, less the mean of all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pixfoundation.errors import DataError
from pixfoundation.types import AttentionTrace

Alignment = Literal["predict", "self"]
Maps = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class RowConvention:
    """How the rows of an `AttentionTrace` become the map of a token.

    Attributes:
        alignment: 'predict' reads the row whose query emitted the token, 'self' the row whose
            query is the token.
        first_row: The prompt row that stands for the query which emitted the first token: -1 is
            that query, -2 the one before it, which the published code takes.
        heads: Query heads that the model must be loaded with; None for all.
    """

    alignment: Alignment = "predict"
    first_row: Literal[-1, -2] = -1
    heads: tuple[int, ...] | None = None


PRESETS = {
    "default": RowConvention(),
    # PixFoundation's LLaVA evaluation: `x[:, :, -2:-1]` cuts queries, so the first row is shifted.
    "pixfoundation": RowConvention(first_row=-2),
    # Its Cambrian evaluation: generated ids begin with a start token there, so rows shift by one.
    "pixfoundation-cambrian": RowConvention(alignment="self", first_row=-2),
    # groundLMM: `x[:, -2:-1]` on [batch, heads, queries, keys] cuts heads, so one head is left.
    "groundlmm": RowConvention(heads=(-2,)),
}
"""Readings by name."""


def row_convention(preset: str) -> RowConvention:
    """Return a preset.

    Raises:
        DataError: If there is none of that name.
    """
    if preset not in PRESETS:
        raise DataError(f"Unknown attention preset {preset!r}. Known: {', '.join(PRESETS)}.")
    return PRESETS[preset]


def emitting_rows(trace: AttentionTrace, tokens: int, reading: RowConvention) -> Maps:
    """Return the rows that emitted the tokens, float32 [tokens, grid rows, grid columns].

    The row that emitted the stop token is one of them.

    Raises:
        DataError: If the last but one prompt row is wanted but was not captured.
    """
    rows = trace.rows[:tokens]
    if reading.first_row == -1:
        return rows
    if trace.first_row is None:
        raise DataError("The row before the last prompt token is wanted, but was not captured.")
    return np.concatenate([trace.first_row[None], rows[1:]])


def token_maps(
    trace: AttentionTrace, tokens: int, reading: RowConvention, *, centred: bool = True
) -> Maps:
    """Return each token's map.

    The centre is the mean over the rows that emitted the tokens, whichever row a token's own map
    is read from.

    Args:
        trace: The captured rows.
        tokens: Number of generated tokens, the stop token included.
        reading: Which row belongs to a token.
        centred: Whether the mean map is subtracted.

    Returns:
        float32 [readable tokens, grid rows, grid columns]. With 'self' alignment the last token
        is readable only if its own row was captured, which a stop token's is not.
    """
    emitting = emitting_rows(trace, tokens, reading)
    own = emitting if reading.alignment == "predict" else trace.rows[1 : tokens + 1]
    return own - emitting.mean(axis=0) if centred else own
