"""Figures of the analysis of heads: heat maps with their null, curves, place and layer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pixfoundation.report.figure_files import ticks_at_integers, write_plots
from pixfoundation.report.figure_style import SCREEN, FigureStyle
from pixfoundation.report.palette import BLUE, MIDDLE
from pixfoundation.where.head_results import Grid, HeadAnalysis

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Plot

COLOURS = "viridis"
LEAST_PANEL = 2.2
"""Width in inches below which a panel with a legend cannot be read."""
LINE, CHANCE = BLUE, MIDDLE


def write_head_figures(
    analysis: HeadAnalysis, out: Path, style: FigureStyle = SCREEN
) -> list[Path]:
    """Write all figures.

    Args:
        analysis: The analysis.
        out: The folder.
        style: Formats and width.

    Returns:
        The files.

    Raises:
        RunError: If the folder cannot be written.
    """
    picture = analysis.to_json()["place_by_layer"]
    plots = {
        "heads": head_maps(analysis, style),
        "layers": layer_curves(analysis, style),
        "place_by_layer": place_picture(picture, analysis.run, style),
    }
    return write_plots(plots, out, style)


def head_maps(analysis: HeadAnalysis, style: FigureStyle = SCREEN) -> Plot:
    """Draw point accuracy and energy of every layer and head, each next to its null."""
    layers, heads = analysis.hits.value.shape
    plot = style.plot(2 * max(2.6, 0.16 * heads + 1.4), 2 * max(2.4, 0.13 * layers + 1.2))
    axes = plot.subplots(2, 2, squeeze=False)
    for row, (name, grid) in enumerate((("peak in mask", analysis.hits),
                                        ("energy in mask", analysis.energy))):  # fmt: skip
        top = max(float(grid.value.max()), float(grid.null.max()), 1e-9)
        for axis, values, title in (
            (axes[row, 0], grid.value, name),
            (axes[row, 1], grid.null, f"{name}, shuffled images"),
        ):
            image = axis.imshow(
                100 * values, cmap=COLOURS, vmin=0, vmax=100 * top, aspect="auto", origin="lower"
            )
            axis.set_title(title, fontsize=9)
            axis.set_xlabel("head", fontsize=8)
            axis.set_ylabel("layer", fontsize=8)
            _whole(axis)
        _mark(axes[row, 0], grid)
        plot.colorbar(image, ax=list(axes[row]), label="%", shrink=0.9)
    plot.suptitle(
        f"{analysis.run}, {len(analysis.samples)} answers (dots: p < 0.05 over all heads)",
        fontsize=9,
    )
    return plot


def layer_curves(analysis: HeadAnalysis, style: FigureStyle = SCREEN) -> Plot:
    """Draw the curve over layers, and that over the number of heads on held-out pairs."""
    columns = style.columns(2, 2, LEAST_PANEL)
    rows = 2 // columns
    plot = style.plot(4.2 * columns, 3.2 * rows)
    left, right = plot.subplots(rows, columns)
    for grid, line, name in (
        (analysis.layer_hits, "-", "peak in mask"),
        (analysis.layer_energy, "--", "energy in mask"),
    ):
        places = range(grid.value.shape[1])
        left.plot(places, 100 * grid.value[0], line, color=LINE, marker="o", ms=3, label=name)
        left.plot(places, 100 * grid.null[0], line, color=CHANCE, label=f"{name}, shuffled")
    left.set_xlabel("layer (mean over its heads)")
    left.set_ylabel("%")
    left.set_ylim(0, None)
    _whole(left)
    left.legend(fontsize=7, frameon=False)
    counts = list(analysis.curve)
    values = [100 * (each.value or 0.0) for each in analysis.curve.values()]
    bounds = [each.interval or (np.nan, np.nan) for each in analysis.curve.values()]
    right.plot(counts, values, color=LINE, marker="o", ms=3, label="best heads of the other half")
    low, high = (100 * np.array(side) for side in zip(*bounds, strict=True))
    right.fill_between(counts, low, high, color=LINE, alpha=0.2, linewidth=0)
    level = 100 * (analysis.average["point_accuracy"].value or 0.0)
    right.axhline(level, color=CHANCE, linestyle="--", label="mean over all heads")
    right.set_xscale("log")
    right.set_xlabel("number of heads")
    right.set_ylabel("peak in mask, %")
    right.set_ylim(0, None)
    right.legend(fontsize=7, frameon=False)
    for axis in (left, right):
        axis.spines[["top", "right"]].set_visible(False)
    return plot


def place_picture(picture: Mapping[str, Any], name: str, style: FigureStyle = SCREEN) -> Plot:
    """Draw point accuracy by place in the text and layer, next to shuffled images.

    Args:
        picture: The value of `place_by_layer` of the analysis.
        name: Name of the run.
        style: Width of the figure.
    """
    values, null = (
        100 * np.array(picture[key], dtype=np.float64).T for key in ("point_accuracy", "null")
    )
    plot = style.plot(8.4, max(2.8, 0.12 * len(values) + 1.6))
    axes = plot.subplots(1, 2, sharey=True)
    top = max(float(np.nanmax(values)), float(np.nanmax(null)), 1e-9)
    for axis, each, title in ((axes[0], values, name), (axes[1], null, "shuffled images")):
        image = axis.imshow(
            each, cmap=COLOURS, vmin=0, vmax=top, aspect="auto", origin="lower",
            extent=(0, 100, -0.5, len(values) - 0.5),
        )  # fmt: skip
        axis.set_title(title, fontsize=9)
        axis.set_xlabel("place of the phrase in the answer, %", fontsize=8)
    axes[0].set_ylabel("layer", fontsize=8)
    _whole(axes[0], x=False)
    plot.colorbar(image, ax=list(axes), label="peak in mask, %", shrink=0.9)
    return plot


def _mark(axis: Axes, grid: Grid) -> None:
    layers, heads = np.nonzero(grid.p < 0.05)
    axis.plot(heads, layers, ".", color="white", markeredgecolor="black", ms=5, mew=0.5)


def _whole(axis: Axes, *, x: bool = True) -> None:
    if x:
        ticks_at_integers(axis.xaxis)
    ticks_at_integers(axis.yaxis)
