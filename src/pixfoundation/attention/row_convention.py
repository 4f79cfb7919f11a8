"""Turn the rows of a trace into one map per token: which row is read, minus the mean map."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pixfoundation.errors import DataError
from pixfoundation.option_bundles import read_choices
from pixfoundation.types import AttentionTrace

Maps = NDArray[np.float32]


class Alignment(StrEnum):
    """Which query's attention row belongs to a token."""

    PREDICT = "predict"
    """The query that emitted the token."""
    SELF = "self"
    """The query that is the token."""


@dataclass(frozen=True, slots=True)
class RowConvention:
    """Which attention row belongs to a token.

    Attributes:
        alignment: 'predict' reads the row of the query that emitted the token, 'self' the row of
            the query that is the token.
        first_row: The prompt row that is read as the query that emitted the first token: -1 is
            that query, -2 the one before it, which the published code reads.
        heads: Query heads that the model must be loaded with; None for all.
    """

    alignment: Alignment = Alignment.PREDICT
    first_row: Literal[-1, -2] = -1
    heads: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        read_choices(self)


PRESETS = {
    "default": RowConvention(),
    # PixFoundation's LLaVA evaluation: `x[:, :, -2:-1]` cuts queries, so the first row is shifted.
    "pixfoundation": RowConvention(first_row=-2),
    # Its Cambrian evaluation: generated ids begin with a start token there, so rows shift by one.
    "pixfoundation-cambrian": RowConvention(alignment=Alignment.SELF, first_row=-2),
    # groundLMM: `x[:, -2:-1]` on [batch, heads, queries, keys] cuts heads, so one head is left.
    "groundlmm": RowConvention(heads=(-2,)),
}
"""Row conventions by name."""


def row_convention(preset: str) -> RowConvention:
    """Return the row convention of a name in `PRESETS`.

    Raises:
        DataError: If `PRESETS` has no such name.
    """
    if preset not in PRESETS:
        raise DataError(f"Unknown attention preset {preset!r}. Known: {', '.join(PRESETS)}.")
    return PRESETS[preset]


def emitting_rows(trace: AttentionTrace, tokens: int, convention: RowConvention) -> Maps:
    """Return the rows of the queries that emitted the tokens, the stop token included.

    Args:
        trace: The captured rows.
        tokens: Number of generated tokens, the stop token included.
        convention: Which row belongs to a token.

    Returns:
        float32 [tokens, grid rows, grid columns].

    Raises:
        DataError: If the convention reads the last but one prompt row and it was not captured.
    """
    rows = trace.rows[:tokens]
    if convention.first_row == -1:
        return rows
    if trace.first_row is None:
        raise DataError(
            "The row convention reads the row before the last prompt token, but it was not "
            "captured. Capture with prompt_rows=2."
        )
    return np.concatenate([trace.first_row[None], rows[1:]])


def token_maps(
    trace: AttentionTrace, tokens: int, convention: RowConvention, *, centred: bool = True
) -> Maps:
    """Return the map of each token.

    The subtracted mean is that of the emitting rows, for both alignments.

    Args:
        trace: The captured rows.
        tokens: Number of generated tokens, the stop token included.
        convention: Which row belongs to a token.
        centred: Whether the mean map is subtracted.

    Returns:
        float32 [tokens with a map, grid rows, grid columns]. With 'self' alignment the last token
        has a map only if its own row was captured, which is not the case for a stop token.

    Raises:
        DataError: If the convention reads a row that was not captured.
    """
    emitting = emitting_rows(trace, tokens, convention)
    own = emitting if convention.alignment is Alignment.PREDICT else trace.rows[1 : tokens + 1]
    return own - emitting.mean(axis=0) if centred else own
