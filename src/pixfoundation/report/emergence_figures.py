"""The figures of 'when': location histogram with its chance bands, concepts, IoU against position.

They stand beside Figure 6 of arXiv 2502.04192. Greys and hatches differ, so they read in print.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Plot

from pixfoundation.emergence.nulls import BINS
from pixfoundation.emergence.when import Emergence, chosen
from pixfoundation.errors import RunError

COLOURS = ("#2e6f8e", "#e4a03b", "#7a4a7e", "#5c8a4a", "#b0413e")
HATCHES = ("", "//", "..", "xx", "\\\\")
BAND_STYLES = {
    "uniform": ("#555555", "-"),
    "shuffled": ("#888888", "--"),
    "random": ("#222222", ":"),
}
CAUTION = "An oracle picks the best of all masks: part of this is chance; lines and bands show it."


def write_figures(found: Sequence[Emergence], out: Path) -> list[Path]:
    """Writes all figures as PNG and PDF.

    Args:
        found: One analysis a run.
        out: The folder.

    Returns:
        The files.

    Raises:
        RunError: If the folder cannot be written.
    """
    plots = {
        "location": location_histogram(found),
        "concept": concept_histogram(found),
        "iou_by_position": iou_by_position(found),
    }
    paths = [out / f"{name}.{kind}" for name in plots for kind in ("png", "pdf")]
    try:
        out.mkdir(parents=True, exist_ok=True)
        for path in paths:
            # No date inside, so that the same run gives the same file.
            metadata = {"CreationDate": None} if path.suffix == ".pdf" else {}
            plots[path.stem].savefig(path, dpi=160, metadata=metadata)
    except OSError as error:
        raise RunError(f"{out} cannot be written: {error.strerror}.") from error
    return paths


def location_histogram(found: Sequence[Emergence]) -> Plot:
    """Draws how many best phrases stand where in the answers, one panel a run, with chance."""
    plot = Plot(figsize=(4.6 * len(found), 3.6), layout="constrained")
    axes = plot.subplots(1, len(found), squeeze=False, sharey=True)[0]
    edges = np.arange(BINS + 1) * 100 / BINS
    middles = (edges[:-1] + edges[1:]) / 2
    for axis, each, colour in zip(axes, found, _cycle(COLOURS, found), strict=True):
        axis.bar(middles, each.bins, width=9.2, color=colour, label="best phrase", zorder=2)
        for band in each.bands:
            shade, line = BAND_STYLES[band.name]
            axis.plot(middles, band.mean, line, color=shade, linewidth=1.4, zorder=4)
            axis.fill_between(
                middles,
                band.low,
                band.high,
                color=shade,
                alpha=0.15,
                linewidth=0,
                zorder=3,
                label=f"chance: {band.name}",
            )
        axis.set_title(
            f"{each.name}  (n = {each.bins.sum()}, p = {each.location_p:.3g})", fontsize=9
        )
        axis.set_xlabel("place of the phrase in the answer, % of characters")
        axis.set_xticks(edges)
        _plain(axis)
    axes[0].set_ylabel("answers")
    axes[-1].legend(fontsize=7, frameon=False)
    plot.supxlabel(CAUTION, fontsize=7, color="#555")
    return plot


def concept_histogram(found: Sequence[Emergence]) -> Plot:
    """Draws the concepts of the best phrases as grouped bars, one colour a run."""
    names = list(found[0].concepts)
    plot = Plot(figsize=(7.4, 3.6), layout="constrained")
    axis = plot.subplots()
    width = 0.8 / len(found)
    for number, (each, colour) in enumerate(zip(found, _cycle(COLOURS, found), strict=True)):
        places = np.arange(len(names)) + (number - (len(found) - 1) / 2) * width
        bars = axis.bar(
            places,
            [each.concepts[name] for name in names],
            width * 0.92,
            color=colour,
            hatch=HATCHES[number % len(HATCHES)],
            edgecolor="white",
            label=f"{each.name} (labels: {each.labelled_by})",
        )
        axis.bar_label(bars, fontsize=7)
    axis.set_xticks(
        range(len(names)), [name.replace(" and ", "\nand ") for name in names], fontsize=8
    )
    axis.set_ylabel("best phrases")
    axis.legend(fontsize=8, frameon=False)
    _plain(axis)
    plot.supxlabel(CAUTION, fontsize=7, color="#555")
    return plot


def iou_by_position(found: Sequence[Emergence]) -> Plot:
    """Draws every phrase's best IoU against its place; the best phrase of each answer is filled."""
    plot = Plot(figsize=(4.6 * len(found), 3.6), layout="constrained")
    axes = plot.subplots(1, len(found), squeeze=False, sharey=True)[0]
    for axis, each, colour in zip(axes, found, _cycle(COLOURS, found), strict=True):
        if each.answers:
            places = np.concatenate([answer.places for answer in each.answers]) * 100
            iou = np.concatenate([answer.iou for answer in each.answers])
            axis.plot(places, iou, "o", color="#b5b5b5", markersize=3, label="other phrases")
            picks = list(zip(each.answers, chosen(each.answers), strict=True))
            axis.plot(
                [100 * answer.places[i] for answer, i in picks],
                [answer.iou[i] for answer, i in picks],
                "o",
                color=colour,
                markersize=4,
                label="best phrase",
            )
        axis.set_title(each.name, fontsize=9)
        axis.set_xlabel("place of the phrase in the answer, % of characters")
        axis.set_ylim(-0.02, 1.02)
        _plain(axis)
    axes[0].set_ylabel("IoU of the phrase's best mask")
    axes[-1].legend(fontsize=7, frameon=False)
    return plot


def _plain(axis: Axes) -> None:
    axis.spines[["top", "right"]].set_visible(False)
    axis.tick_params(labelsize=8)


def _cycle(colours: Sequence[str], found: Sequence[Emergence]) -> list[str]:
    return [colours[i % len(colours)] for i in range(len(found))]
