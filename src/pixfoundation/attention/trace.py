"""From captured rows to the record that travels with an answer."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from pixfoundation.attention.capture import AttentionError
from pixfoundation.geometry import GridFrame
from pixfoundation.types import AttentionTrace


def to_trace(rows: Tensor, tokens: int, frame: GridFrame) -> AttentionTrace:
    """Lays the captured rows of one answer out on its grid.

    Args:
        rows: float32 [1 + tokens or more, cells]: the last but one prompt row, then one row for
            each query from the last prompt token on, as `AttentionCapture.rows` gives them with
            two prompt rows. Rows after the one whose query is the last token are cut off.
        tokens: Number of generated tokens, the stop token included.
        frame: Where the grid lies on the image; cells in row-major order.

    Raises:
        AttentionError: If there are too few rows, or not one column a cell.
    """
    if rows.ndim != 2 or rows.shape[1] != frame.rows * frame.columns or rows.shape[0] < tokens + 1:
        raise AttentionError(
            f"{tokens} tokens on a grid of {frame.rows} x {frame.columns} need attention rows "
            f"[{tokens + 1} or more, {frame.rows * frame.columns}], but got {list(rows.shape)}."
        )
    grids = rows[: tokens + 2].reshape(-1, frame.rows, frame.columns).numpy().astype(np.float32)
    return AttentionTrace(rows=grids[1:], frame=frame, first_row=grids[0])
