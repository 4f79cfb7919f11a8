"""Figures of prompt sensitivity: variants of each kind, flips, and accuracy against mIoU."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pixfoundation.report.figure_files import write_plots
from pixfoundation.report.figure_style import SCREEN, FigureStyle
from pixfoundation.report.palette import LIGHT, LINE, series_colour
from pixfoundation.sensitivity.analysis import KindSummary, Sensitivity

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Plot
    from matplotlib.patches import Ellipse

MOST_ROWS = 60
"""Greatest number of samples in the matrix of flips: those that flip most."""
TWO_SIGMA = 2.0


def write_figures(
    runs: Sequence[Sensitivity], out: Path, style: FigureStyle = SCREEN
) -> list[Path]:
    """Write all figures.

    Args:
        runs: One summary per run.
        out: The folder.
        style: Formats and width.

    Returns:
        The files.

    Raises:
        RunError: If the folder cannot be written.
    """
    plots = {
        "variants": variant_strips(runs, style),
        "accuracy_and_miou": accuracy_against_miou(runs, style),
    }
    for number, run in enumerate(runs):
        suffix = f"_{number + 1}" if len(runs) > 1 else ""
        plots[f"flips{suffix}"] = flip_matrix(run, style)
    return write_plots(plots, out, style)


def variant_strips(runs: Sequence[Sensitivity], style: FigureStyle = SCREEN) -> Plot:
    """Draw one dot per variant, and the default prompt with its interval; a panel per measure."""
    measures = list(dict.fromkeys(s.measure.name for run in runs for s in run.shown()))
    kinds = list(dict.fromkeys(s.kind for run in runs for s in run.shown()))
    plot = style.plot(max(5.0, 1.1 * len(kinds) + 1.5), 2.6 * max(len(measures), 1) + 0.6)
    axes = plot.subplots(max(len(measures), 1), 1, squeeze=False, sharex=True).ravel()
    slot = 0.8 / max(len(runs), 1)
    for axis, measure in zip(axes, measures, strict=False):
        for number, run in enumerate(runs):
            for summary in run.shown():
                if summary.measure.name == measure:
                    place = kinds.index(summary.kind) + (number - (len(runs) - 1) / 2) * slot
                    _strip(axis, summary, place, slot, number)
        symbol = next(s.measure for r in runs for s in r.shown() if s.measure.name == measure)
        label = f"{symbol.symbol} {symbol.selector}" if symbol.selector else symbol.symbol
        axis.set_ylabel(f"{label}, %", fontsize=9)
        axis.set_ylim(-2, 102)
        _plain(axis)
    axes[-1].set_xticks(range(len(kinds)), kinds, fontsize=8, rotation=20, ha="right")
    for number, run in enumerate(runs):
        axes[0].plot([], [], "o", color=series_colour(number), label=_name(run.name))
    axes[0].plot([], [], "-", color=LINE, label="default prompt, 95 % interval")
    plot.legend(loc="outside upper center", ncols=2, fontsize=8, frameon=False)
    return plot


def _strip(axis: Axes, summary: KindSummary, place: float, slot: float, number: int) -> None:
    half = 0.42 * slot
    default = summary.spread.default
    if default.value is not None:
        bounds = default.interval
        if bounds is not None:
            axis.fill_between(
                [place - half, place + half], 100 * bounds[0], 100 * bounds[1],
                color=LIGHT, alpha=0.6, linewidth=0,
            )  # fmt: skip
        axis.plot([place - half, place + half], [100 * default.value] * 2, color=LINE, lw=1.2)
    means = summary.spread.means
    offsets = np.linspace(-0.6, 0.6, len(means)) * half if len(means) > 1 else np.zeros(1)
    axis.plot(
        place + offsets, 100 * means, "o", color=series_colour(number), markersize=4,
        markeredgecolor=LINE, markeredgewidth=0.4,
    )  # fmt: skip


def flip_matrix(run: Sensitivity, style: FigureStyle = SCREEN) -> Plot:
    """Draw which samples change sides under which variants; the samples that change most."""
    shown = run.shown()
    plot = style.plot(max(4.5, 0.22 * _columns(shown) + 2.5), 5.2)
    axis = plot.subplots()
    blocks: list[np.ndarray] = []
    ticks: list[tuple[float, str]] = []
    start = 0
    by_item = [s for s in run.summaries if not s.measure.by_pair and _is_shown(s, run)]
    for summary in by_item:
        table = summary.table
        changed = ((table.values > 0.5) != (table.default > 0.5)[None]).astype(float)
        changed[np.isnan(table.values) | np.isnan(table.default)[None]] = np.nan
        blocks.append(changed.T)
        label = summary.measure.symbol
        ticks.append((start + (len(changed) - 1) / 2, f"{summary.kind}\n{label}"))
        start += len(changed)
        axis.axvline(start - 0.5, color=LINE, linewidth=0.6)
    matrix = np.hstack(blocks) if blocks else np.zeros((1, 1))
    order = np.argsort(-np.nansum(matrix, axis=1), kind="stable")[:MOST_ROWS]
    axis.imshow(matrix[order], aspect="auto", cmap="Greys", vmin=0, vmax=1.4, interpolation="none")
    names = [run.default.samples[i].id for i in order]
    step = max(len(names) // 30, 1)
    axis.set_yticks(range(0, len(names), step), names[::step], fontsize=6)
    axis.set_xticks(
        [t for t, _ in ticks], [t for _, t in ticks], fontsize=7, rotation=60, ha="right",
        rotation_mode="anchor",
    )  # fmt: skip
    axis.set_ylabel("sample", fontsize=9)
    axis.set_title(
        f"{_name(run.name)}: dark where a variant changes the outcome"
        f" ({len(order)} of {len(matrix)} samples)",
        fontsize=9,
    )
    return plot


def _is_shown(summary: KindSummary, run: Sensitivity) -> bool:
    return summary.measure.selector in (None, run.default.selector)


def _columns(summaries: Sequence[KindSummary]) -> int:
    return sum(len(summary.variants) for summary in summaries)


def accuracy_against_miou(runs: Sequence[Sensitivity], style: FigureStyle = SCREEN) -> Plot:
    """Draw every variant as accuracy against mIoU, with an ellipse of two deviations per run."""
    plot = style.plot(5.2, 4.4)
    axis = plot.subplots()
    for number, run in enumerate(runs):
        colour = series_colour(number)
        points = np.array(
            [
                (100 * line.accuracy, 100 * line.miou)
                for line in run.lines
                if line.accuracy is not None and line.miou is not None
            ]
        ).reshape(-1, 2)
        if not len(points):
            continue
        axis.plot(points[1:, 0], points[1:, 1], "o", color=colour, markersize=4, alpha=0.7)
        axis.plot(
            *points[0], "D", color=colour, markeredgecolor=LINE, markersize=8,
            label=f"{_name(run.name)} (default: diamond)",
        )  # fmt: skip
        if len(points) > 3:
            axis.add_patch(_ellipse(points[1:], colour))
    axis.set_xlabel("max(A†, A), %", fontsize=9)
    axis.set_ylabel("max(M†, M), %", fontsize=9)
    if axis.get_legend_handles_labels()[0]:
        axis.legend(fontsize=8, frameon=False)
    _plain(axis)
    return plot


def _ellipse(points: np.ndarray, colour: str) -> Ellipse:
    from matplotlib.patches import Ellipse

    values, vectors = np.linalg.eigh(np.cov(points.T))
    width, height = 2 * TWO_SIGMA * np.sqrt(np.maximum(values, 0))
    angle = float(np.degrees(np.arctan2(vectors[1, 0], vectors[0, 0])))
    middle = points.mean(axis=0)
    return Ellipse(
        (float(middle[0]), float(middle[1])), width, height, angle=angle,
        facecolor=colour, alpha=0.15, edgecolor=colour,
    )  # fmt: skip


def _name(name: str) -> str:
    """Return the name of a run; a dollar sign in it starts no formula."""
    return name.replace("$", r"\$")


def _plain(axis: Axes) -> None:
    axis.spines[["top", "right"]].set_visible(False)
    axis.tick_params(labelsize=8)
