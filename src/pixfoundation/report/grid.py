"""The picture of one grounded image: a row a noun phrase, its attention, its masks, the pick.

Laid out like the example figures of arXiv 2502.04192.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure as Plot
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from PIL import Image

from pixfoundation.errors import RunError
from pixfoundation.grounding.one_image import GroundedImage
from pixfoundation.report.rich_text import (
    DPI,
    Piece,
    draw_lines,
    highlight,
    highlighted,
    missing_glyphs,
    text_height,
    wrap,
)
from pixfoundation.types import Candidate, Phrase, Selection

PHRASE_COLOURS = ("#e4572e", "#2e86ab", "#8fb339", "#a23b90", "#f3a712", "#3bb273", "#7768ae")
PICK_COLOUR = "#111111"
ROW_INCHES = 1.9
MOST_ROWS = 12
"""More phrases than this make a figure that nobody reads; the rest is in `result.json`."""
MOST_MASKS = 6
MOST_LINES = 12
LEAST_WIDTH = 7.0
MARGIN, GAP = 0.15, 0.1
"""Inches."""
TEXT_SIZE, TITLE_SIZE = 10, 8.5

Row = tuple[Phrase | None, list[tuple[int, Candidate]]]
"""A phrase and its masks, with their places among all candidates."""


def draw_grid(found: GroundedImage, selection: Selection) -> Plot:
    """Draws what was asked and answered and, for every phrase, its attention and masks.

    Args:
        found: A grounded image.
        selection: The pick, framed in the figure.

    Returns:
        A Matplotlib figure; save it with `save_grid`.
    """
    rows = _rows(found)
    shown = [(phrase, masks[:MOST_MASKS]) for phrase, masks in rows[:MOST_ROWS]]
    columns = 2 + max((len(masks) for _, masks in shown), default=0)
    aspect = found.image.width / found.image.height
    cell_width = ROW_INCHES * min(max(aspect, 0.6), 3.0)
    width = max(cell_width * columns, LEAST_WIDTH)
    row_height = min(ROW_INCHES, cell_width / aspect) + text_height(2, TITLE_SIZE)
    texts = _head(found, rows, width - 2 * MARGIN)
    head = sum(text_height(len(lines), TEXT_SIZE) + GAP for lines in texts) + MARGIN
    body = row_height * max(len(shown), 1)
    plot = Plot(figsize=(width, head + body), layout="constrained")
    (above,), (below,) = plot.subfigures(2, 1, squeeze=False, height_ratios=[head, body])
    top = MARGIN
    for lines in texts:
        draw_lines(above, lines, MARGIN, top, TEXT_SIZE)
        top += text_height(len(lines), TEXT_SIZE) + GAP
    axes = below.subplots(max(len(shown), 1), columns, squeeze=False)
    for axis in axes.ravel():
        axis.set_axis_off()
    axes[0, 0].imshow(found.image)
    _title(axes[0, 0], found.sample.expression or "", cell_width)
    for number, (phrase, masks) in enumerate(shown):
        label = phrase.text if phrase is not None else "the model's own mask"
        colour = PHRASE_COLOURS[number % len(PHRASE_COLOURS)]
        _title(axes[number, 1], label, cell_width).set_bbox(highlight(colour))
        _draw_row(axes[number], found, phrase, masks, colour, selection)
    return plot


def _head(
    found: GroundedImage,
    rows: list[tuple[Phrase | None, list[tuple[int, Candidate]]]],
    width: float,
) -> list[list[list[Piece]]]:
    """Returns the lines of the prompt, of the answer, and of what the figure leaves out."""
    answer = found.answer.text.strip("\n") or "(no answer)"
    words = highlighted(answer, found.phrases, PHRASE_COLOURS)
    texts = [
        wrap([Piece(found.prompt.text)], width, TEXT_SIZE, most=3),
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
    """Writes the figure in the format of the path's ending.

    Raises:
        RunError: If the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with missing_glyphs():
            plot.savefig(path, dpi=DPI)
    except OSError as error:
        raise RunError(f"{path} cannot be written: {error.strerror}.") from error


def overlay(image: Image.Image, candidate: Candidate, colour: str) -> np.ndarray:
    """Returns the image with a candidate's mask tinted, uint8 [height, width, 3]."""
    pixels = np.asarray(image, dtype=np.float32).copy()
    inside = candidate.mask.decode()
    pixels[inside] = 0.4 * pixels[inside] + 0.6 * 255 * np.array(to_rgb(colour), np.float32)
    return pixels.round().astype(np.uint8)


def _rows(found: GroundedImage) -> list[Row]:
    """Groups the candidates by phrase, with their indices."""
    groups: dict[tuple[int, int] | None, list[tuple[int, Candidate]]] = {}
    phrases: dict[tuple[int, int] | None, Phrase | None] = {}
    for index, candidate in enumerate(found.candidates):
        span = candidate.phrase.span if candidate.phrase is not None else None
        groups.setdefault(span, []).append((index, candidate))
        phrases[span] = candidate.phrase
    return [(phrases[span], groups[span]) for span in groups]


def _draw_row(
    axes: np.ndarray,
    found: GroundedImage,
    phrase: Phrase | None,
    masks: list[tuple[int, Candidate]],
    colour: str,
    selection: Selection,
) -> None:
    heat = found.heat.get(phrase.span) if phrase is not None else None
    if heat is not None:
        axes[1].imshow(found.image.convert("L"), cmap="gray")
        axes[1].imshow(heat, cmap="magma", alpha=0.6)
        _draw_point(axes[1], masks[0][1])
    else:
        axes[1].imshow(found.image)
    for axis, (index, candidate) in zip(axes[2:], masks, strict=False):
        axis.imshow(overlay(found.image, candidate, colour))
        _draw_point(axis, candidate)
        score = f" · {candidate.score:.2f}" if candidate.score is not None else ""
        axis.set_title(f"mask {candidate.index + 1}{score}", fontsize=TITLE_SIZE, loc="left")
        if index == selection.candidate:
            _frame(axis)


def _title(axis: Axes, text: str, width: float) -> Text:
    lines = wrap([Piece(text)], width, TITLE_SIZE, most=2)
    shown = "\n".join("".join(piece.text for piece in line) for line in lines)
    return axis.set_title(shown, fontsize=TITLE_SIZE, loc="left", parse_math=False)


def _draw_point(axis: Axes, candidate: Candidate) -> None:
    if candidate.point is not None:
        axis.plot(*candidate.point, "o", color="#111", markeredgecolor="white", markersize=6)


def _frame(axis: Axes) -> None:
    axis.add_patch(
        Rectangle(
            (0, 0), 1, 1, transform=axis.transAxes, fill=False, edgecolor=PICK_COLOUR, linewidth=5
        )
    )
    axis.set_title(
        f"{axis.get_title('left')} · picked", fontsize=TITLE_SIZE, loc="left", weight="bold"
    )
