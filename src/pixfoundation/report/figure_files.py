"""Figures: new ones, and figures as files.

Matplotlib is imported when the first figure is drawn: a page without figures starts without it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pixfoundation.errors import RunError

if TYPE_CHECKING:
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure as Plot

KINDS = ("png", "pdf")
TRUETYPE = 42
"""How fonts are embedded: publishers refuse Type 3, and text stays text in editors."""


def new_plot(width: float, height: float) -> Plot:
    """Return an empty figure of a size in inches, whose parts Matplotlib keeps apart."""
    from matplotlib.figure import Figure as Plot

    return Plot(figsize=(width, height), layout="constrained")


def ticks_at_integers(axis: Axis) -> None:
    """Put the ticks of an axis at whole numbers only."""
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(integer=True))


def write_plots(plots: Mapping[str, Plot], out: Path) -> list[Path]:
    """Write figures as PNG and PDF; the same figure gives the same file.

    Args:
        plots: The figures by name.
        out: The folder; made if it is missing.

    Returns:
        The files.

    Raises:
        RunError: If the folder cannot be written.
    """
    from matplotlib import rc_context

    paths = [out / f"{name}.{kind}" for name in plots for kind in KINDS]
    try:
        out.mkdir(parents=True, exist_ok=True)
        for path in paths:
            # No date inside, so that the same run gives the same file.
            metadata = {"CreationDate": None} if path.suffix == ".pdf" else {}
            with rc_context({"pdf.fonttype": TRUETYPE}):
                plots[path.stem].savefig(path, dpi=160, metadata=metadata)
    except OSError as error:
        raise RunError(f"{out} cannot be written: {error.strerror}.") from error
    return paths
