"""Figures of the emergence analysis: location histogram, concepts, IoU against place.

They correspond to Figure 6 of arXiv 2502.04192, with bands for chance. Luminance and hatches
differ, so that they can be read in grey print.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pixfoundation.emergence.analysis import Emergence, best_indices
from pixfoundation.emergence.nulls import BINS
from pixfoundation.report.figure_files import ticks_at_integers, write_plots
from pixfoundation.report.figure_style import SCREEN, FigureStyle
from pixfoundation.report.palette import DARK, GREY, LINE, MIDDLE, PALE, series_colour
from pixfoundation.runs.records import RULES
from pixfoundation.wording import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Plot

HATCHES = ("", "////", "....", "\\\\\\\\", "xxxx")
BAND_STYLES = {
    "uniform": (PALE, ":"),
    "shuffled": (MIDDLE, "-"),
    "random": (DARK, "--"),
}
BAND_MARKERS = {"uniform": "o", "shuffled": "D", "random": "s"}
PANEL = (4.4, 3.3)
LEAST_PANEL = 2.2
"""Width in inches below which a panel cannot be read."""
COLUMNS = 3
"""Number of panels side by side; further runs go below."""
CAUTION = "An oracle picks the best of all masks: part of every bar is chance, as the bands show."


def write_figures(runs: Sequence[Emergence], out: Path, style: FigureStyle = SCREEN) -> list[Path]:
    """Write all figures.

    Args:
        runs: One analysis per run.
        out: The folder.
        style: Formats and width.

    Returns:
        The files.

    Raises:
        RunError: If the folder cannot be written.
    """
    plots = {
        "location": location_histogram(runs, style),
        "concept": concept_histogram(runs, style),
        "iou_by_position": iou_by_position(runs, style),
    }
    return write_plots(plots, out, style)


def location_histogram(runs: Sequence[Emergence], style: FigureStyle = SCREEN) -> Plot:
    """Draw a histogram of the places of the best phrases with chance bands, one panel per run."""
    plot, panels, columns = _panels(len(runs), style)
    edges = np.arange(BINS + 1) * 100 / BINS
    middles = (edges[:-1] + edges[1:]) / 2
    for number, (axis, run) in enumerate(zip(panels, runs, strict=True)):
        axis.bar(middles, run.bins, width=8.4, label="best phrase", zorder=2, **_fill(number))
        for null in run.nulls:
            shade, line = BAND_STYLES[null.name]
            band = null.location
            axis.fill_between(
                _stairs(edges), _twice(band.low), _twice(band.high),
                color=shade, alpha=0.3, linewidth=0, zorder=3,
            )  # fmt: skip
            axis.plot(
                _stairs(edges), _twice(band.mean), line,
                color=LINE, linewidth=1.1, zorder=4, label=f"chance: {null.name}",
            )  # fmt: skip
        axis.set_title(
            f"{_name(run)}\nn = {run.bins.sum()}, {_p(run.location_p)} (mean), "
            f"{_p(run.shape_p)} (all bins)",
            fontsize=9,
        )
        axis.set_xticks(edges)
        axis.set_ylim(0, 1.12 * max(run.bins.max(), *(n.location.high.max() for n in run.nulls), 1))
        ticks_at_integers(axis.yaxis)
        _plain(axis)
    below = "place of the phrase in the answer, % of characters"
    _label(plot, panels[::columns], below, "answers")
    _legend(plot, panels[0])
    return plot


def concept_histogram(runs: Sequence[Emergence], style: FigureStyle = SCREEN) -> Plot:
    """Draw the concepts of the best phrases as grouped bars, one colour per run.

    Beside run bar is what chance gives, mean and 95 % of the draws: all nulls for one run or two,
    masks dealt out anew for more.
    """
    names = list(runs[0].concepts)
    plot = style.plot(max(7.4, 2.6 + 1.7 * len(runs)), 3.8)
    axis = plot.subplots()
    slot = 0.88 / len(runs)
    for number, run in enumerate(runs):
        places = np.arange(len(names)) + (number - len(runs) / 2) * slot
        counts = [run.concepts[name] for name in names]
        label = f"{_name(run)} ({counted(run.labels.n_labelled, 'label')} by {run.labels.author})"
        bars = axis.bar(places, counts, 0.6 * slot, align="edge", label=label, **_fill(number))
        axis.bar_label(bars, padding=2, fontsize=7 if len(runs) < 4 else 6)
        nulls = [null for null in run.nulls if len(runs) <= 2 or null.name == "shuffled"]
        for step, null in enumerate(nulls, start=1):
            band = null.concept
            axis.errorbar(
                places + (0.6 + 0.32 * step / (len(nulls) + 1)) * slot, band.mean,
                [band.mean - band.low, band.high - band.mean],
                fmt=BAND_MARKERS[null.name], color=LINE, markerfacecolor=BAND_STYLES[null.name][0],
                markersize=3.5, markeredgewidth=0.7, elinewidth=1, capsize=1.5,
                label=None if number else f"chance: {null.name}",
            )  # fmt: skip
    axis.set_xticks(
        range(len(names)), [name.replace(" and ", "\nand ") for name in names], fontsize=8
    )
    axis.set_ylabel("best phrases", fontsize=9)
    axis.margins(y=0.1)
    axis.set_ylim(0, max(axis.get_ylim()[1], 1))
    ticks_at_integers(axis.yaxis)
    _plain(axis)
    judged = (
        " Chance is by the rules' labels." if any(e.labels.author != RULES for e in runs) else ""
    )
    plot.supxlabel(CAUTION + (" Chance is by the rules' labels." if judged else ""), fontsize=8)
    _legend(plot, axis)
    return plot


def iou_by_position(runs: Sequence[Emergence], style: FigureStyle = SCREEN) -> Plot:
    """Draw every phrase's best IoU against its place; the best phrase of run answer is filled."""
    plot, panels, columns = _panels(len(runs), style)
    for number, (axis, run) in enumerate(zip(panels, runs, strict=True)):
        picks = best_indices(run.answers)
        others = [
            np.delete(np.arange(len(a.iou)), i) for a, i in zip(run.answers, picks, strict=True)
        ]
        axis.plot(
            [100 * x for a, rest in zip(run.answers, others, strict=True) for x in a.places[rest]],
            [y for a, rest in zip(run.answers, others, strict=True) for y in a.iou[rest]],
            "o", markerfacecolor="none", markeredgecolor=GREY, markersize=3.5,
            label="other phrase",
        )  # fmt: skip
        axis.plot(
            [100 * a.places[i] for a, i in zip(run.answers, picks, strict=True)],
            [a.iou[i] for a, i in zip(run.answers, picks, strict=True)],
            "o", color=series_colour(number), markersize=4, markeredgecolor=LINE,
            markeredgewidth=0.4, label="best phrase",
        )  # fmt: skip
        axis.set_title(f"{_name(run)}  (n = {len(run.answers)})", fontsize=9)
        axis.set_ylim(-0.02, 1.02)
        axis.set_xlim(-3, max(103.0, axis.get_xlim()[1]))
        _plain(axis)
    below = "place of the phrase in the answer, % of characters"
    _label(plot, panels[::columns], below, "IoU of its best mask")
    _legend(plot, panels[0])
    return plot


def _panels(count: int, style: FigureStyle) -> tuple[Plot, list[Axes], int]:
    """Return a figure with its panels, and how many of them stand side by side."""
    columns = style.columns(count, COLUMNS, LEAST_PANEL)
    rows = -(-count // columns)
    plot = style.plot(PANEL[0] * max(columns, 1.3), PANEL[1] * rows + 0.5)
    axes = plot.subplots(rows, columns, squeeze=False).ravel()
    for axis in axes[count:]:
        axis.set_axis_off()
    return plot, list(axes[:count]), columns


def _label(plot: Plot, left: Sequence[Axes], below: str, beside: str) -> None:
    plot.supxlabel(f"{below}\n{CAUTION}", fontsize=8)
    for axis in left:
        axis.set_ylabel(beside, fontsize=9)


def _legend(plot: Plot, axis: Axes) -> None:
    """Put the legend above, where it hides nothing; the entries are the same in every panel."""
    handles, labels = axis.get_legend_handles_labels()
    room = int(12 * plot.get_figwidth() / (8 + max(map(len, labels), default=1)))
    order = sorted(range(len(labels)), key=lambda i: labels[i].startswith("chance"))
    plot.legend(
        [handles[i] for i in order], [labels[i] for i in order],
        loc="outside upper center", ncols=min(max(room, 1), 4), fontsize=8, frameon=False,
    )  # fmt: skip


def _fill(number: int) -> dict[str, Any]:
    return {
        "color": series_colour(number),
        "hatch": HATCHES[number % len(HATCHES)],
        "edgecolor": "white",
    }


def _name(run: Emergence) -> str:
    """Return the name of the run; a dollar sign in it starts no formula."""
    return run.name.replace("$", r"\$")


def _p(value: float) -> str:
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}"


def _stairs(edges: np.ndarray) -> np.ndarray:
    return np.repeat(edges, 2)[1:-1]


def _twice(values: np.ndarray) -> np.ndarray:
    return np.repeat(values, 2)


def _plain(axis: Axes) -> None:
    axis.spines[["top", "right"]].set_visible(False)
    axis.tick_params(labelsize=8)
