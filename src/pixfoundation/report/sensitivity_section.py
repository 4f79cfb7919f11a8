"""The part of the page about prompt sensitivity: figures, the table, and the worst samples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pixfoundation.report import sensitivity_figures as figures
from pixfoundation.report.sensitivity_tables import COLUMNS, note, rows
from pixfoundation.runs.run_records import RunRecords
from pixfoundation.scoring.options import ScoreOptions
from pixfoundation.sensitivity.analysis import Sensitivity
from pixfoundation.sensitivity.runs import measure_sensitivity
from pixfoundation.sensitivity.worst import WorstSample, worst_samples

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Plot


@dataclass(frozen=True, slots=True)
class SectionFigure:
    """A figure of the section.

    Attributes:
        plot: The figure.
        alt: What it shows, for those who cannot see it.
        caption: What it means.
    """

    plot: Plot
    alt: str
    caption: str


@dataclass(frozen=True, slots=True)
class SensitivitySection:
    """What the page shows about prompt sensitivity.

    Attributes:
        figures: The figures.
        header: Names of the columns of the table.
        rows: Its cells.
        caption: What the table shows.
        notes: Which variants do not exist or change nothing, and what is missing.
        worst: Name of the run and its worst samples.
    """

    figures: tuple[SectionFigure, ...]
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str
    notes: tuple[str, ...]
    worst: tuple[tuple[str, tuple[WorstSample, ...]], ...]


def measure_runs(
    runs: Sequence[RunRecords], names: Sequence[str], options: ScoreOptions
) -> list[Sensitivity | None]:
    """Return the sensitivity of each run under its name on the page; None without variants."""
    return [
        replace(measure_sensitivity(records, options), name=name) if records.run.varied else None
        for records, name in zip(runs, names, strict=True)
    ]


def build_section(
    runs: Sequence[RunRecords], summaries: Sequence[Sensitivity | None]
) -> SensitivitySection | None:
    """Return the section of a page; None if no run has variants.

    Args:
        runs: The runs of the page.
        summaries: The sensitivity of each; None for a run without variants.
    """
    own = [(each, summary) for each, summary in zip(runs, summaries, strict=True) if summary]
    if not own:
        return None
    varied = [summary for _, summary in own]
    return SensitivitySection(
        figures=tuple(_figures(varied)),
        header=COLUMNS,
        rows=tuple(rows(varied)),
        caption=note(varied),
        notes=tuple(remark for summary in varied for remark in summary.remarks()),
        worst=tuple(
            (summary.name, tuple(worst_samples(summary, records))) for records, summary in own
        ),
    )


def _figures(runs: Sequence[Sensitivity]) -> list[SectionFigure]:
    drawn: list[tuple[Callable[[], Plot], str, str]] = [
        (
            lambda: figures.variant_strips(runs),
            "A dot per variant for each kind, next to the default prompt with its interval",
            "Every variant of each kind as a dot; line: the default prompt; band: its 95 % "
            "interval over pairs. Dots outside of the band: the wording moves the number more than "
            "the choice of pairs does.",
        ),
        *(
            (
                lambda run=run: figures.flip_matrix(run),
                f"Matrix of the samples of {run.name} by variant, dark where the outcome changes",
                "Which samples turn right or wrong (IoU 0.5 for masks) under which variant; the "
                "samples that turn most come first.",
            )
            for run in runs
        ),
        (
            lambda: figures.accuracy_against_miou(runs),
            "Accuracy against mIoU of every variant, with an ellipse per model",
            "Every variant by its accuracy and its mIoU; diamond: the default prompt; ellipse: two "
            "standard deviations over the variants.",
        ),
    ]
    return [SectionFigure(draw(), alt, caption) for draw, alt, caption in drawn]
