"""Figure of one grounded image: per noun phrase a row with its attention, its masks, the pick.

The layout follows the example figures of arXiv 2502.04192.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pixfoundation.errors import RunError
from pixfoundation.geometry import shrunk_size
from pixfoundation.grounding.colours import phrase_colour
from pixfoundation.grounding.one_image import GroundedImage
from pixfoundation.report.figure_files import WRITING
from pixfoundation.report.figure_style import new_plot
from pixfoundation.report.rich_text import (
    DPI,
    Piece,
    draw_lines,
    fitted,
    highlight,
    highlighted,
    missing_glyphs,
    text_height,
    wrap,
)
from pixfoundation.types import Candidate, Phrase, Selection

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Plot
    from matplotlib.text import Text

PICK_COLOUR = "#111111"
ROW_INCHES = 1.9
MOST_ROWS = 12
"""Most phrases in a figure, so that it can be read; the others are in `result.json`."""
MOST_MASKS = 6
MOST_LINES = 12
SHOWN_SIDE = 1000
"""Longest side in pixels of the pictures in a figure, which shows no more."""
LEAST_WIDTH, LEAST_CELL = 7.0, 1.65
"""Smallest width in inches of a figure, and of a picture in it, so that titles fit."""
MARGIN, GAP = 0.06, 0.1
"""Distances in inches."""
TEXT_SIZE, TITLE_SIZE = 10, 8.5

Row = tuple[Phrase | None, list[tuple[int, Candidate]]]
"""A phrase and its masks, with their indices among all candidates."""


def draw_grid(grounded: GroundedImage, selection: Selection, *, fill: bool = False) -> Plot:
    """Draw what was asked and answered and, for every phrase, its attention and masks.

    Args:
        grounded: A grounded image.
        selection: The pick, framed in the figure.
        fill: Whether masks are tinted, which changes the colours that an expression may name.

    Returns:
        A Matplotlib figure; save it with `save_grid`.
    """
    rows = _rows(grounded)
    shown = [(phrase, masks[:MOST_MASKS]) for phrase, masks in rows[:MOST_ROWS]]
    columns = 2 + max((len(masks) for _, masks in shown), default=0)
    aspect = grounded.image.width / grounded.image.height
    cell_width = min(max(ROW_INCHES * aspect, LEAST_CELL), 2 * ROW_INCHES)
    width = max(cell_width * columns, LEAST_WIDTH)
    row_height = min(ROW_INCHES, cell_width / aspect) + text_height(2, TITLE_SIZE)
    texts = _head(grounded, rows, width - 2 * MARGIN)
    head = sum(text_height(len(lines), TEXT_SIZE) + GAP for lines in texts) + MARGIN
    body = row_height * max(len(shown), 1)
    plot = new_plot(width, head + body)
    (above,), (below,) = plot.subfigures(2, 1, squeeze=False, height_ratios=[head, body])
    top = MARGIN
    for lines in texts:
        draw_lines(above, lines, MARGIN, top, TEXT_SIZE)
        top += text_height(len(lines), TEXT_SIZE) + GAP
    axes = below.subplots(max(len(shown), 1), columns, squeeze=False)
    for axis in axes.ravel():
        axis.set_axis_off()
        axis.set_anchor("NW")  # below its title, also where the image is narrow
    small = shrunk(grounded.image, SHOWN_SIDE)
    _show(axes[0, 0], grounded, small)
    _title(axes[0, 0], grounded.sample.expression or "", cell_width)
    numbers = {phrase.span: number for number, phrase in enumerate(grounded.phrases)}
    for row, (phrase, masks) in zip(axes, shown, strict=False):
        label = phrase.text if phrase is not None else "the model's own mask"
        number = numbers[phrase.span] if phrase is not None else len(numbers)
        colour = phrase_colour(number)
        _title(row[1], label, cell_width).set_bbox(highlight(colour))
        heat = grounded.heat.get(phrase.span) if phrase is not None else None
        _draw_heat(row[1], grounded, small, heat, masks[0][1])
        for axis, (index, candidate) in zip(row[2:], masks, strict=False):
            _show(axis, grounded, overlay(small, candidate, colour, fill=fill))
            _draw_mask_title(axis, candidate, picked=index == selection.candidate)
    return plot


def _head(grounded: GroundedImage, rows: list[Row], width: float) -> list[list[list[Piece]]]:
    """Return the lines of the prompt, of the answer, and of what the figure leaves out."""
    answer = grounded.answer.text.strip("\n") or "(no answer)"
    words = highlighted(answer, grounded.phrases)
    texts = [
        wrap([Piece(grounded.prompt.text)], width, TEXT_SIZE, most=3),
        wrap(words, width, TEXT_SIZE, most=MOST_LINES),
    ]
    masks = sum(len(masks[MOST_MASKS:]) for _, masks in rows[:MOST_ROWS])
    left_out = [
        f"{count} more {what}"
        for count, what in ((len(rows) - MOST_ROWS, "phrases"), (masks, "masks"))
        if count > 0
    ]
    if left_out:
        note = f"{' and '.join(left_out)} are not drawn."
        texts.append(wrap([Piece(note)], width, TEXT_SIZE, most=1))
    return texts


def save_grid(plot: Plot, path: Path) -> None:
    """Write the figure in the format of the path's ending, replacing a file in one step.

    Raises:
        RunError: If the file cannot be written.
    """
    from matplotlib import rc_context

    temporary = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with missing_glyphs(), rc_context(WRITING):
            plot.savefig(temporary, dpi=DPI)
        os.replace(temporary, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise RunError(f"{path} cannot be written: {error.strerror}.") from error


def overlay(
    image: Image.Image, candidate: Candidate, colour: str, *, fill: bool = False
) -> np.ndarray:
    """Return the image with a candidate's mask outlined, uint8 [height, width, 3].

    Args:
        image: RGB; the mask is brought to its size.
        candidate: The candidate with the mask.
        colour: Colour in any form that Matplotlib reads.
        fill: Whether the mask is tinted, too.
    """
    pixels = np.asarray(image, dtype=np.float32).copy()
    foreground = candidate.mask.decode()
    if foreground.shape != pixels.shape[:2]:
        foreground = np.asarray(
            Image.fromarray(foreground).resize(image.size, Image.Resampling.NEAREST)
        )
    from matplotlib.colors import to_rgb

    tint = 255 * np.array(to_rgb(colour), np.float32)
    width = max(image.size) // 200 + 1
    if fill:
        pixels[foreground] = 0.4 * pixels[foreground] + 0.6 * tint
        pixels[_edge(foreground, width)] = 0.55 * tint  # seen in grey, on any ground
    else:  # a dark line inside the colour, so that it is seen on any ground
        around = np.pad(foreground, 1)  # also a mask that fills the image has a line
        pixels[_edge(around, 2 * width)[1:-1, 1:-1]] = 0.3 * tint
        pixels[_edge(around, width)[1:-1, 1:-1]] = tint
    return pixels.round().astype(np.uint8)


def shrunk(image: Image.Image, side: int) -> Image.Image:
    """Return the image, shrunk so that its longer side has at most `side` pixels."""
    height, width = shrunk_size((image.height, image.width), side)
    if (width, height) == image.size:
        return image
    return image.resize((width, height), Image.Resampling.BOX)


def _edge(foreground: NDArray[np.bool_], width: int) -> NDArray[np.bool_]:
    """Return the outermost pixels of a mask; where it leaves the image there is no edge."""
    core = foreground
    for _ in range(width):
        wide = np.pad(core, 1, mode="edge")
        core = core & wide[:-2, 1:-1] & wide[2:, 1:-1] & wide[1:-1, :-2] & wide[1:-1, 2:]
    return foreground & ~core


def _show(axis: Axes, grounded: GroundedImage, pixels: Any, **style: Any) -> None:
    """Show pixels of any size where the image is, in the coordinates of its pixels."""
    width, height = grounded.image.size
    axis.imshow(pixels, extent=(-0.5, width - 0.5, height - 0.5, -0.5), **style)


def _rows(grounded: GroundedImage) -> list[Row]:
    """Group the candidates by phrase, with their indices."""
    rows: dict[tuple[int, int] | None, Row] = {}
    for index, candidate in enumerate(grounded.candidates):
        phrase = candidate.phrase
        _, masks = rows.setdefault(phrase.span if phrase is not None else None, (phrase, []))
        masks.append((index, candidate))
    return list(rows.values())


def _draw_heat(
    axis: Axes, grounded: GroundedImage, small: Image.Image, heat: Any, first: Candidate
) -> None:
    if heat is None:
        _show(axis, grounded, small)
        return
    _show(axis, grounded, small.convert("L"), cmap="gray")
    _show(axis, grounded, heat, cmap="magma", alpha=0.6)
    _draw_point(axis, first)


def _draw_mask_title(axis: Axes, candidate: Candidate, *, picked: bool) -> None:
    _draw_point(axis, candidate)
    score = f" · {candidate.score:.2f}" if candidate.score is not None else ""
    axis.set_title(f"mask {candidate.index + 1}{score}", fontsize=TITLE_SIZE, loc="left")
    if picked:
        _frame(axis)


def _title(axis: Axes, text: str, width: float) -> Text:
    return axis.set_title(
        fitted(text, width - GAP, TITLE_SIZE, most=2),
        fontsize=TITLE_SIZE,
        loc="left",
        parse_math=False,
    )


def _draw_point(axis: Axes, candidate: Candidate) -> None:
    if candidate.point is not None:
        axis.plot(*candidate.point, "o", color="#111", markeredgecolor="white", markersize=6)


def _frame(axis: Axes) -> None:
    from matplotlib.patches import Rectangle

    axis.add_patch(
        Rectangle(
            (0, 0), 1, 1, transform=axis.transAxes, fill=False, edgecolor=PICK_COLOUR, linewidth=5
        )
    )
    axis.set_title(
        f"{axis.get_title('left')} · picked", fontsize=TITLE_SIZE, loc="left", weight="bold"
    )
