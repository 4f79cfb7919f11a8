"""Place in the text by layer, for runs that hold the attention of all heads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

    from pixfoundation.report.figure_style import FigureStyle

Picture = Mapping[str, Any]
"""What `where.heads.place_by_layer` returns."""


def write_pictures(
    named: Sequence[tuple[str, Picture | None]], out: Path, style: FigureStyle
) -> list[Path]:
    """Write one figure for each run that has a picture.

    Args:
        named: Name and picture of each run.
        out: The folder.
        style: Formats and width.

    Returns:
        The files.

    Raises:
        RunError: If the folder cannot be written.
    """
    from pixfoundation.report.figure_files import write_plots
    from pixfoundation.report.head_figures import place_picture

    plots = {
        f"place_by_layer_{number}" if number > 1 else "place_by_layer": place_picture(
            picture, name, style
        )
        for number, (name, picture) in enumerate(named, start=1)
        if picture is not None
    }
    return write_plots(plots, out, style) if plots else []


def picture_table(picture: Picture) -> Table:
    """Return the best layer at each place in the text, next to the best of shuffled images."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("peak in mask by place and layer, %", no_wrap=True)
    best: list[str] = []
    levels = ["-" if v is None else f"{100 * v:.0f}" for v in picture["best_layer_null"]]
    p = ["-" if v is None else f"{v:.3f}" for v in picture["best_layer_p"]]
    layers: list[str] = []
    for bin_, values in enumerate(picture["point_accuracy"]):
        table.add_column(f"{10 * bin_}-", justify="right")
        known = [value for value in values if value is not None]
        layer = values.index(max(known)) if known else None
        layers.append("-" if layer is None else str(layer))
        best.append("-" if layer is None else f"{100 * values[layer]:.0f}")
    table.add_row("best layer", *layers)
    table.add_row("point accuracy there", *best)
    table.add_row("best layer of shuffled images", *levels, style="dim")
    table.add_row("p (Holm, all places)", *p)
    return table
