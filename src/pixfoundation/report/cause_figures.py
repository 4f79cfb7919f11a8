"""Figures of causal tests: insertion and deletion curves, and the knockout over layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from pixfoundation.causes.curve_analysis import Curve, Curves
from pixfoundation.causes.knockout_analysis import Knockout
from pixfoundation.causes.levels import MEASURES, Levels
from pixfoundation.causes.regions import Shape
from pixfoundation.report.figure_style import SCREEN, FigureStyle
from pixfoundation.report.palette import BLUE, GREY, LINE, PLUM
from pixfoundation.runs.deleting import SHARE
from pixfoundation.scoring.intervals import Estimate

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Plot

LEAST_PANEL, LEAST_MEASURE = 2.2, 1.3
"""Widths in inches below which a panel cannot be read."""
ATTENDED, RANDOM, TRUTH = BLUE, GREY, PLUM


def curve_figure(
    curves: Curves,
    deletion: Mapping[str, Estimate] | None = None,
    style: FigureStyle = SCREEN,
) -> Plot:
    """Draw insertion and deletion curves, one column per fill, and how many answers stay.

    Args:
        curves: The curves of a run.
        deletion: Result of the deletion test of the same run; it is drawn as a point where regions
            are boxes filled with the mean colour, which is what that test covers.
        style: Width of the figure.
    """
    fills = list(dict.fromkeys(curve.fill for curve in curves.curves))
    plot = style.plot(1.2 + 3.0 * len(fills), 7.2)
    axes = plot.subplots(3, len(fills), squeeze=False, sharex=True, sharey="row")
    percents = [100 * share for share in curves.shares]
    for column, fill in enumerate(fills):
        for row, kind in enumerate(("deletion", "insertion")):
            curve = next(c for c in curves.curves if (c.fill, c.kind) == (fill, kind))
            _draw_curve(axes[row, column], percents, curve)
        curve = next(c for c in curves.curves if (c.fill, c.kind) == (fill, "deletion"))
        axis = axes[2, column]
        _band(axis, percents[1:-1], curve.random_kept, RANDOM, "random regions", 100)
        _band(axis, percents[1:-1], curve.attended_kept, ATTENDED, "attended region", 100)
        if deletion and curves.settings.shape is Shape.BOX and fill == "mean":
            for name, colour in (("deleted", ATTENDED), ("control", RANDOM)):
                changed = deletion[name].value
                if changed is not None:
                    axis.plot(
                        [100 * SHARE], [100 * (1 - changed)], "D", color=colour,
                        markeredgecolor=LINE, markersize=6, label=f"deletion test: {name}",
                    )  # fmt: skip
        axis.set_ylim(-3, 103)
        axis.set_xlabel("share of the image, %", fontsize=9)
        axis.set_xlim(0, 100)
    for row, label in enumerate(
        ("deletion: log-probability\nof the answer, nats", "insertion: log-probability\n"
         "of the answer, nats", "answers that stay, %")
    ):  # fmt: skip
        axes[row, 0].set_ylabel(label, fontsize=9)
    plot.suptitle(
        f"{_text(curves.name)}: n = {curves.samples}, regions by {curves.settings.shape}\n0 is the "
        "whole image; bands: 95 % over pairs",
        fontsize=9,
    )
    _legend(plot, axes[2, -1] if deletion else axes[0, 0])
    for axis in axes.ravel():
        _plain(axis)
    return plot


def knockout_figure(knockout: Knockout, style: FigureStyle = SCREEN) -> Plot:
    """Draw the losses by what is blocked in all layers, and over the windows of layers."""
    with_windows = bool(knockout.windows)
    panels = 2 if with_windows else 1
    columns = style.columns(panels, 2, LEAST_PANEL)
    rows = panels // columns
    plot = style.plot(4.8 * columns, 3.8 * rows)
    axes = plot.subplots(rows, columns, squeeze=False).ravel()
    names = list(knockout.losses)
    for place, name in enumerate(names):
        loss = knockout.losses[name]
        if loss.value is None or loss.interval is None:
            continue
        low, high = loss.interval
        colour = {"attended": ATTENDED, "truth": TRUTH, "all columns": LINE}.get(name, RANDOM)
        axes[0].errorbar(
            [loss.value], [place], xerr=[[loss.value - low], [high - loss.value]],
            fmt="o", color=colour, capsize=2.5, markersize=5,
        )  # fmt: skip
    axes[0].axvline(0, color=LINE, linewidth=0.7, linestyle=":")
    axes[0].set_yticks(range(len(names)), names, fontsize=8)
    axes[0].invert_yaxis()
    axes[0].set_xlabel("loss of the answer's log-probability, nats", fontsize=9)
    axes[0].set_title("columns blocked in all layers", fontsize=9)
    _plain(axes[0])
    if with_windows:
        middles = list(range(len(knockout.windows)))
        for name, colour, mark in (
            ("shifted", RANDOM, "s"), ("truth", TRUTH, "^"), ("attended", ATTENDED, "o")
        ):  # fmt: skip
            values = [getattr(window, name) for window in knockout.windows]
            _band(axes[1], middles, values, colour, name, 1, mark)
        axes[1].axhline(0, color=LINE, linewidth=0.7, linestyle=":")
        axes[1].set_xticks(
            middles[:: max(1, len(middles) // 12)],
            [_span(w.layers) for w in knockout.windows][:: max(1, len(middles) // 12)],
        )
        axes[1].set_xlabel("layers in which columns are blocked", fontsize=9)
        axes[1].set_title("in windows of layers", fontsize=9)
        axes[1].legend(fontsize=8, frameon=False)
        _plain(axes[1])
    plot.suptitle(
        f"{_text(knockout.name)}: n = {knockout.samples}, "
        f"{100 * knockout.settings.share:g} % of the columns; 95 % intervals over pairs",
        fontsize=9,
    )
    return plot


def control_figure(levels: Levels, style: FigureStyle = SCREEN) -> Plot:
    """Draw a run and its controls, one panel per measure, the run in colour."""
    names = [level.name for level in levels.levels]
    measures = [
        m
        for m in MEASURES
        if any(level.measures[m].value is not None for level in levels.levels[1:])
    ]
    columns = style.columns(len(measures), len(measures), LEAST_MEASURE)
    rows = -(-len(measures) // columns)
    plot = style.plot(1.6 + 2.3 * columns, rows * (1.3 + 0.3 * len(names)))
    grid = plot.subplots(rows, columns, squeeze=False, sharey=True)
    axes = list(grid.ravel())[: len(measures)]
    for spare in grid.ravel()[len(measures) :]:
        spare.set_axis_off()
    for axis, measure in zip(axes, measures, strict=True):
        for place, level in enumerate(levels.levels):
            estimate = level.measures[measure]
            if estimate.value is None or estimate.interval is None:
                continue
            low, high = estimate.interval
            axis.errorbar(
                [100 * estimate.value], [place],
                xerr=[[100 * (estimate.value - low)], [100 * (high - estimate.value)]],
                fmt="o" if place == 0 else "s", color=ATTENDED if place == 0 else RANDOM,
                markeredgecolor=LINE, markeredgewidth=0.5, markersize=5, capsize=2.5,
            )  # fmt: skip
        own = levels.levels[0].measures[measure].interval
        if own is not None:
            axis.axvspan(100 * own[0], 100 * own[1], color=ATTENDED, alpha=0.12, linewidth=0)
        axis.set_title(measure, fontsize=9)
        axis.set_xlim(-3, 103)
        axis.set_xlabel("%", fontsize=8)
        _plain(axis)
    for left in axes[::columns]:
        left.set_yticks(range(len(names)), names, fontsize=8)
    axes[0].invert_yaxis()
    plot.suptitle(
        f"{_text(levels.name)}, protocol {levels.protocol}: the run (colour) and its controls, "
        "with 95 % intervals over pairs",
        fontsize=9,
    )
    return plot


def _draw_curve(axis: Axes, percents: Sequence[float], curve: Curve) -> None:
    _band(axis, percents, curve.random, RANDOM, "random regions")
    _band(axis, percents, curve.attended, ATTENDED, "attended region")
    effect = curve.effect
    if effect.estimate.value is not None and effect.estimate.interval is not None:
        low, high = effect.estimate.interval
        axis.set_title(
            f"{curve.fill}: area differs by {effect.estimate.value:.2f} [{low:.2f}, {high:.2f}]",
            fontsize=8,
        )


def _band(
    axis: Axes,
    places: Sequence[float],
    values: Sequence[Estimate],
    colour: str,
    label: str,
    factor: float = 1,
    mark: str = "o",
) -> None:
    known = [(x, v.value, v.interval) for x, v in zip(places, values, strict=True)]
    rows = [(x, value, bounds) for x, value, bounds in known if value is not None and bounds]
    if not rows:
        return
    xs = [x for x, _, _ in rows]
    low = factor * np.array([bounds[0] for _, _, bounds in rows])
    high = factor * np.array([bounds[1] for _, _, bounds in rows])
    axis.fill_between(xs, low, high, color=colour, alpha=0.25, linewidth=0)
    axis.plot(
        xs, [factor * value for _, value, _ in rows], f"{mark}-",
        color=colour, label=label, markersize=4, linewidth=1.3,
    )  # fmt: skip


def _legend(plot: Plot, axis: Axes) -> None:
    handles, labels = axis.get_legend_handles_labels()
    plot.legend(
        handles, labels, loc="outside lower center", ncols=min(len(labels), 4), fontsize=8,
        frameon=False,
    )  # fmt: skip


def _span(layers: Sequence[int]) -> str:
    return str(layers[0]) if len(layers) == 1 else f"{layers[0]}-{layers[-1]}"


def _text(name: str) -> str:
    """Return a name; a dollar sign in it starts no formula."""
    return name.replace("$", r"\$")


def _plain(axis: Axes) -> None:
    axis.spines[["top", "right"]].set_visible(False)
    axis.tick_params(labelsize=8)
