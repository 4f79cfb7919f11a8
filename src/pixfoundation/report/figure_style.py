"""Figures at the width of a column or page: size, number of panels side by side, text that fits.

A figure without a width has the size that suits a screen. With one, it is drawn at exactly that
width, with fewer panels side by side, so that a paper includes it unscaled and its text keeps the
size that journals ask for.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from pixfoundation.errors import DataError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Plot
    from matplotlib.text import Text
    from matplotlib.transforms import BboxBase

KINDS = ("png", "pdf", "svg")
"""The formats in which figures can be written."""
DEFAULT_KINDS = ("png", "pdf")
NAMED_WIDTHS = {"column": 3.25, "page": 6.75}
"""Inches: the narrower of the columns and pages of CVPR, ICCV, ICML, ACL and IEEE journals."""
INCHES = {"in": 1.0, "": 1.0, "cm": 1 / 2.54, "mm": 1 / 25.4, "pt": 1 / 72.27}
"""Inches per unit; pt is the point of TeX, in which `\\the\\columnwidth` is printed."""
LEAST_WIDTH, MOST_WIDTH = 1.5, 40.0
LEAST_TEXT, MOST_TEXT = 6.0, 8.0
"""Points: what journals allow at least, and the size of a caption."""
LEAST_HEIGHT = 0.62
"""Smallest factor by which a panel loses height where it loses width."""
LEAST_PANEL_HEIGHT = 1.2
"""Inches that legends and labels leave to a panel."""


def new_plot(width: float, height: float) -> Plot:
    """Return an empty figure of a size in inches, whose parts Matplotlib keeps apart."""
    from matplotlib.figure import Figure as Plot

    return Plot(figsize=(width, height), layout="constrained")


@dataclass(frozen=True, slots=True)
class FigureStyle:
    """How figures are written.

    Attributes:
        width: Width in inches; None for one that suits a screen.
        kinds: Formats, of `KINDS`.
    """

    width: float | None = None
    kinds: tuple[str, ...] = DEFAULT_KINDS

    def plot(self, width: float, height: float) -> Plot:
        """Return an empty figure.

        Args:
            width: Width in inches if the style has none.
            height: The height that belongs to it; a narrower figure loses less height than width.
        """
        if self.width is None:
            return new_plot(width, height)
        factor = min(1.0, max(LEAST_HEIGHT, self.width / width))
        return new_plot(self.width, height * factor)

    def columns(self, count: int, most: int, least_inches: float) -> int:
        """Return how many panels stand side by side.

        Args:
            count: Number of panels.
            most: Greatest number side by side where there is room.
            least_inches: Width in inches below which a panel cannot be read.
        """
        columns = max(min(count, most), 1)
        if self.width is None:
            return columns
        return max(1, min(columns, int(self.width / least_inches)))


SCREEN = FigureStyle()
"""The size that suits a screen."""


def read_width(text: str) -> float:
    """Return a width in inches.

    Args:
        text: `column`, `page`, or a number with `in`, `cm`, `mm` or `pt`; inches without a unit.

    Raises:
        DataError: If it is none of these, or no figure has that width.

    Example:
        >>> read_width("column"), round(read_width("84mm"), 2), round(read_width("252pt"), 2)
        (3.25, 3.31, 3.49)
    """
    if text in NAMED_WIDTHS:
        return NAMED_WIDTHS[text]
    match = re.fullmatch(r"(\d+\.?\d*|\.\d+)\s*(in|cm|mm|pt|)", text.strip())
    if match is None:
        raise DataError(
            f"The width {text!r} is not known. Give column, page, or a number with a unit: "
            "3.25in, 84mm, 8.4cm or 241pt."
        )
    width = float(match[1]) * INCHES[match[2]]
    if not LEAST_WIDTH <= width <= MOST_WIDTH:
        raise DataError(
            f"A figure cannot be {text} wide. Give {LEAST_WIDTH:g} to {MOST_WIDTH:g} inches."
        )
    return width


def read_kinds(text: str) -> tuple[str, ...]:
    """Return formats that are separated by commas.

    Raises:
        DataError: If one is unknown.
    """
    kinds = tuple(dict.fromkeys(kind.strip().lower() for kind in text.split(",")))
    if unknown := [kind for kind in kinds if kind not in KINDS]:
        raise DataError(
            f"Figures cannot be written as {unknown[0]!r}. Give some of {', '.join(KINDS)}."
        )
    return kinds


def fit_text(plot: Plot) -> None:
    """Bring all text of a figure to the sizes of a paper, and wrap what is wider than its place."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.text import Text

    for text in plot.findobj(Text):
        text.set_fontsize(min(max(float(text.get_fontsize()) - 1, LEAST_TEXT), MOST_TEXT))
    canvas = FigureCanvasAgg(plot)
    canvas.draw()  # places the panels, which says how wide they are
    for legend in [*plot.legends, *(a.legend_ for a in plot.axes if a.legend_ is not None)]:
        around = legend.axes.bbox if legend.axes is not None else plot.bbox
        for columns in range(len(legend.get_texts()), 0, -1):
            legend.set_ncols(columns)
            if legend.get_window_extent(canvas.get_renderer()).width <= around.width:
                break
    for text in (plot._suptitle, plot._supxlabel):  # pyright: ignore[reportAttributeAccessIssue]
        if text is not None:
            _wrap(text, plot.bbox, canvas)
    for axis in plot.axes:
        if axis.axison:
            _wrap(axis.title, _room(axis, plot), canvas)
            _wrap(axis.xaxis.label, _room(axis, plot), canvas)
            _turn_labels(axis, canvas)
    canvas.draw()  # with what the text takes now
    _make_room(plot)


def _make_room(plot: Plot) -> None:
    """Make a figure higher if legends and labels leave too little of it to its panels."""
    lowest = min((axis.bbox.height / plot.dpi for axis in plot.axes), default=LEAST_PANEL_HEIGHT)
    if lowest < LEAST_PANEL_HEIGHT:
        rows = {place.rowspan.start for a in plot.axes if (place := a.get_subplotspec())}
        width, height = plot.get_size_inches()
        plot.set_size_inches(width, height + len(rows) * (LEAST_PANEL_HEIGHT - lowest))


def _room(axis: Axes, plot: Plot) -> BboxBase:
    """Return the part of a figure that belongs to the column of a panel."""
    from matplotlib.transforms import Bbox

    place = axis.get_subplotspec()
    if place is None:
        return axis.bbox
    columns = place.get_gridspec().ncols
    width = plot.bbox.width * len(place.colspan) / columns
    return Bbox.from_bounds(0, 0, min(width - 12, 1.25 * axis.bbox.width), plot.bbox.height)


def _wrap(text: Text, place: BboxBase, canvas: FigureCanvasAgg) -> None:
    words = text.get_text()
    width = text.get_window_extent(canvas.get_renderer()).width
    if not words.strip() or width <= place.width:
        return
    longest = max(map(len, words.splitlines()))
    room = max(int(longest * place.width / width) - 1, 8)
    text.set_text("\n".join(_lines(words, room)))


def _lines(words: str, room: int) -> Sequence[str]:
    return [
        part
        for line in words.splitlines()
        for part in textwrap.wrap(line, room, break_long_words=False) or [""]
    ]


def _turn_labels(axis: Axes, canvas: FigureCanvasAgg) -> None:
    """Turn the labels of the horizontal axis where neighbours touch."""
    labels = [t for t in axis.get_xticklabels() if t.get_text() and t.get_visible()]
    if any(label.get_rotation() for label in labels):
        return
    boxes = [t.get_window_extent(canvas.get_renderer()) for t in labels]
    if any(a.x1 + 1 > b.x0 for a, b in pairwise(boxes)):
        for label in labels:
            label.set_rotation(35)
            label.set_horizontalalignment("right")
            label.set_rotation_mode("anchor")
