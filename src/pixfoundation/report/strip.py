"""The attention strip: a map per token of what the model attends to while it writes it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pixfoundation.attention.row_convention import token_maps
from pixfoundation.errors import DataError
from pixfoundation.geometry import upsample
from pixfoundation.grounding.attend_and_segment import AttendAndSegment
from pixfoundation.grounding.base import Grounder
from pixfoundation.grounding.colours import token_colours
from pixfoundation.grounding.one_image import GroundedImage
from pixfoundation.report.figure_style import new_plot
from pixfoundation.report.grid import shrunk
from pixfoundation.report.rich_text import fitted, highlight

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Plot

COLUMNS = 8
INCHES = 1.25
MOST_INCHES = 1.9
"""Width of a map in inches, and its greatest height."""
SIDE = 300
"""Longest side of a map in pixels; its cell shows no more."""
TEXT_SIZE = 8
MOST_TOKENS = 64
"""Greatest number of tokens drawn; the figure says how many are left out."""


def token_heat(
    grounded: GroundedImage, grounder: Grounder, side: int | None = None
) -> NDArray[np.float32]:
    """Return the map of every generated token in image pixels, less the mean of all.

    Args:
        grounded: An image grounded by attention.
        grounder: The one that did it: its reading says which row is a token's.
        side: Longest side of the maps in pixels; None for the image's own.

    Returns:
        float32 [tokens, height, width]; NaN outside of what the model saw.

    Raises:
        DataError: If the answer carries no attention.
    """
    trace, tokens = grounded.answer.trace, len(grounded.answer.token_ids)
    if not isinstance(grounder, AttendAndSegment) or trace is None or not tokens:
        raise DataError("The answer carries no attention: there is nothing to show by token.")
    maps = token_maps(trace, tokens, grounder.row_convention, centred=tokens > 1)
    return upsample(maps, trace.frame if side is None else trace.frame.shrunk(side))


def token_texts(grounded: GroundedImage) -> list[str]:
    """Return what each generated token wrote; a stop token wrote nothing."""
    return [grounded.answer.text[start:end] for start, end in grounded.answer.spans]


def attention_strip(grounded: GroundedImage, heat: NDArray[np.float32]) -> Plot:
    """Draw one small map per token with its text below, all in one range of values.

    Tokens of a noun phrase have its colour, that of its row in the grid.

    Args:
        grounded: A grounded image.
        heat: Maps of any size, float32 [tokens, height, width], see `token_heat`.
    """
    texts = token_texts(grounded)[: min(len(heat), MOST_TOKENS)]
    rows = max(math.ceil(len(texts) / COLUMNS), 1)
    height = min(INCHES * grounded.image.height / grounded.image.width, MOST_INCHES) + 0.3
    plot = new_plot(COLUMNS * INCHES, rows * height)
    axes = plot.subplots(rows, COLUMNS, squeeze=False).ravel()
    colours = token_colours(grounded.phrases)
    shown = heat[: len(texts)]
    bounds = (float(np.nanmin(shown)), float(np.nanmax(shown))) if len(texts) else (0.0, 1.0)
    grey = shrunk(grounded.image, SIDE).convert("L")
    whole = (-0.5, heat.shape[2] - 0.5, heat.shape[1] - 0.5, -0.5)
    for axis in axes[len(texts) :]:
        axis.set_axis_off()
    for token, (axis, text) in enumerate(zip(axes, texts, strict=False)):
        axis.set(xticks=[], yticks=[], frame_on=False)
        axis.imshow(grey, cmap="gray", extent=whole)
        axis.imshow(heat[token], cmap="magma", alpha=0.6, vmin=bounds[0], vmax=bounds[1])
        axis.set_xlabel(
            fitted(text, INCHES - 0.15, TEXT_SIZE, most=1) or "·",  # a token without letters
            fontsize=TEXT_SIZE,
            parse_math=False,
            bbox=highlight(colours[token]) if token in colours else None,
        )
    if left_out := len(heat) - len(texts):
        plot.supxlabel(f"{left_out} more tokens are not drawn.", fontsize=TEXT_SIZE)
    return plot
