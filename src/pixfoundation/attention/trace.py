"""Turn captured rows into the trace that an answer carries."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from pixfoundation.attention.interface import AttentionError
from pixfoundation.geometry import GridFrame
from pixfoundation.types import AttentionTrace


def to_trace(rows: Tensor, tokens: int, frame: GridFrame) -> AttentionTrace:
    """Lay out the captured rows of one answer on its grid.

    Args:
        rows: float32 [1 + tokens or more, cells]: the row of the last but one prompt token, then
            one row per query from the last prompt token on, as `AttentionCapture.rows` returns
            them with two prompt rows. Rows after that of the last token are dropped.
        tokens: Number of generated tokens, the stop token included.
        frame: Position of the grid on the image; cells are in row-major order.

    Returns:
        A trace with `rows` float32 [tokens or tokens + 1, grid rows, grid columns].

    Raises:
        AttentionError: If there are too few rows, or not exactly one column per cell.
    """
    if rows.ndim != 2 or rows.shape[1] != frame.rows * frame.columns or rows.shape[0] < tokens + 1:
        raise AttentionError(
            f"{tokens} tokens on a grid of {frame.rows} x {frame.columns} need attention rows "
            f"[{tokens + 1} or more, {frame.rows * frame.columns}], but got {list(rows.shape)}."
        )
    grids = rows[: tokens + 2].reshape(-1, frame.rows, frame.columns).numpy().astype(np.float32)
    return AttentionTrace(rows=grids[1:], frame=frame, first_row=grids[0])
