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
from PIL import Image

from pixfoundation.errors import RunError
from pixfoundation.grounding.one_image import GroundedImage
from pixfoundation.types import Candidate, Phrase, Selection

PHRASE_COLOURS = ("#e4572e", "#2e86ab", "#8fb339", "#a23b90", "#f3a712", "#3bb273", "#7768ae")
PICK_COLOUR = "#111111"
ROW_INCHES = 1.9
MOST_ROWS = 12
"""More phrases than this make a figure that nobody reads; the rest is in `result.json`."""


def draw_grid(found: GroundedImage, selection: Selection) -> Plot:
    """Draws the image and, for every phrase, its attention and the masks at its point.

    Args:
        found: A grounded image.
        selection: The pick, framed in the figure.

    Returns:
        A Matplotlib figure; save it with `save_grid`.
    """
    rows = _rows(found)[:MOST_ROWS]
    columns = 2 + max((len(masks) for _, masks in rows), default=0)
    aspect = found.image.width / found.image.height
    plot = Plot(
        figsize=(ROW_INCHES * max(aspect, 0.6) * columns, ROW_INCHES * max(len(rows), 1) + 1.1),
        layout="constrained",
    )
    axes = plot.subplots(max(len(rows), 1), columns, squeeze=False)
    plot.suptitle(
        f"{found.sample.expression}\n{_shortened(found.answer.text)}", fontsize=10, wrap=True
    )
    for axis in axes.ravel():
        axis.set_axis_off()
    axes[0, 0].imshow(found.image)
    for number, (phrase, masks) in enumerate(rows):
        colour = PHRASE_COLOURS[number % len(PHRASE_COLOURS)]
        _draw_row(axes[number], found, phrase, masks, colour, selection)
    return plot


def save_grid(plot: Plot, path: Path) -> None:
    """Writes the figure in the format of the path's ending.

    Raises:
        RunError: If the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        plot.savefig(path, dpi=150)
    except OSError as error:
        raise RunError(f"{path} cannot be written: {error.strerror}.") from error


def overlay(image: Image.Image, candidate: Candidate, colour: str) -> np.ndarray:
    """Returns the image with a candidate's mask tinted, uint8 [height, width, 3]."""
    pixels = np.asarray(image, dtype=np.float32).copy()
    inside = candidate.mask.decode()
    pixels[inside] = 0.4 * pixels[inside] + 0.6 * 255 * np.array(to_rgb(colour), np.float32)
    return pixels.round().astype(np.uint8)


def _rows(found: GroundedImage) -> list[tuple[Phrase | None, list[tuple[int, Candidate]]]]:
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
    label = phrase.text if phrase is not None else "the model's own mask"
    heat = found.heat.get(phrase.span) if phrase is not None else None
    axes[1].set_title(label, fontsize=9, color=colour, loc="left", wrap=True)
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
        axis.set_title(f"mask {candidate.index + 1}{score}", fontsize=8, loc="left")
        if index == selection.candidate:
            _frame(axis)


def _draw_point(axis: Axes, candidate: Candidate) -> None:
    if candidate.point is not None:
        axis.plot(*candidate.point, "o", color="#111", markeredgecolor="white", markersize=6)


def _frame(axis: Axes) -> None:
    axis.add_patch(
        Rectangle(
            (0, 0), 1, 1, transform=axis.transAxes, fill=False, edgecolor=PICK_COLOUR, linewidth=5
        )
    )
    axis.set_title(f"{axis.get_title('left')} · picked", fontsize=8, loc="left", weight="bold")


def _shortened(text: str, most: int = 300) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= most else flat[: most - 1] + "…"
