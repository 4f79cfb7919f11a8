"""Figures: new ones, and figures as files.

Matplotlib is imported when the first figure is drawn: a page without figures starts without it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pixfoundation.errors import RunError
from pixfoundation.report.figure_style import SCREEN, FigureStyle, fit_text

if TYPE_CHECKING:
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure as Plot

TRUETYPE = 42
"""How fonts are embedded: publishers refuse Type 3, and text stays text in editors."""
WRITING: dict[Any, Any] = {
    "pdf.fonttype": TRUETYPE,
    "svg.fonttype": "path",  # no font is needed to show it
    "svg.hashsalt": "pixfoundation",  # the same run gives the same file
}
SCREEN_DPI, PAPER_DPI = 160, 300
_UNDATED: dict[str, dict[str, Any]] = {"pdf": {"CreationDate": None}, "svg": {"Date": None}}


def ticks_at_integers(axis: Axis) -> None:
    """Put the ticks of an axis at whole numbers only."""
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(integer=True))


def write_plots(plots: Mapping[str, Plot], out: Path, style: FigureStyle = SCREEN) -> list[Path]:
    """Write figures; the same figure gives the same file.

    Args:
        plots: The figures by name, drawn in the same style.
        out: The folder; made if it is missing.
        style: Formats and width.

    Returns:
        The files.

    Raises:
        RunError: If the folder cannot be written.
    """
    from matplotlib import rc_context

    paths = [out / f"{name}.{kind}" for name in plots for kind in style.kinds]
    if style.width is not None:
        for plot in plots.values():
            fit_text(plot)
    try:
        out.mkdir(parents=True, exist_ok=True)
        for path in paths:
            kind = path.suffix[1:]
            with rc_context(WRITING):
                dpi = SCREEN_DPI if style.width is None or kind != "png" else PAPER_DPI
                plots[path.stem].savefig(path, dpi=dpi, metadata=_UNDATED.get(kind, {}))
    except OSError as error:
        raise RunError(f"{out} cannot be written: {error.strerror}.") from error
    return paths
