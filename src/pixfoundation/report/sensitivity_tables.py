"""Tables of prompt sensitivity: as Markdown, LaTeX, CSV, or rows for the terminal."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pixfoundation.report.formats import (
    TableFormat,
    csv_table,
    latex_table,
    latex_text,
    markdown_table,
)
from pixfoundation.scoring.intervals import Estimate, percent
from pixfoundation.sensitivity.analysis import KindSummary, Sensitivity
from pixfoundation.sensitivity.families import adjusted_p
from pixfoundation.sensitivity.paired_spread import PairedSummary
from pixfoundation.sensitivity.statistics import Spread
from pixfoundation.typed_options import as_choice
from pixfoundation.wording import counted, decimal

COLUMNS = (
    "run",
    "variants",
    "score",
    "default",
    "mean",
    "SD",
    "range",
    "worst",
    "p (Holm)",
    "best",
    "flips",
    "alpha",
    "variance: variant / sample / both",
)


def note(runs: Sequence[Sensitivity], every: bool = False) -> str:
    """Return what has to be said below the table of `rows`."""
    tests = len(adjusted_p(_shown(runs, every)))
    return (
        "Percent, with 95 % intervals that resample pairs and variants. Flips: answers that turn "
        "right or wrong, masks whose IoU crosses 0.5. Alpha: Krippendorff's. p: the worst variant "
        "against the default prompt, corrected for having looked at all variants of its kind, and "
        f"adjusted by Holm's method for {counted(tests, 'such test')} of this table."
    )


def rows(runs: Sequence[Sensitivity], every: bool = False) -> list[tuple[str, ...]]:
    """Return the cells of a table, one row per run, kind and measure.

    Args:
        runs: The summaries.
        every: Whether to show every measure, and not only those of the published table.
    """
    p = adjusted_p(_shown(runs, every))
    table: list[tuple[str, ...]] = []
    for run in runs:
        table += [_row(run.name, summary, p.get(summary)) for summary in _shown([run], every)]
        table += [_paired_row(run.name, one) for one in run.paired if every or one.figure == "S"]
    return table


def _shown(runs: Sequence[Sensitivity], every: bool) -> list[KindSummary]:
    return [each for run in runs for each in (run.summaries if every else run.shown())]


def _paired_row(name: str, summary: PairedSummary) -> tuple[str, ...]:
    spread = summary.spread
    titles = {"S": "S", "grove": "Grove", "both": "both right", "vqa_only": "answers only"}
    titles |= {"grounding_only": "masks only", "neither": "neither right"}
    return (
        name,
        f"{summary.kind} ({len(summary.variants)})",
        titles[summary.figure],
        *_spread_cells(spread, "-", summary.worst.index, summary.best.index),
        "-",
        "-",
        "-",
    )


def _spread_cells(spread: Spread, p: str, worst: int, best: int) -> tuple[str, ...]:
    """Return the cells from the default prompt to the best variant."""
    return (
        percent(spread.default, bound_digits=0),
        percent(spread.mean, bound_digits=0),
        percent(spread.deviation, interval=False),
        percent(spread.range, interval=False),
        f"{decimal(100 * spread.means[spread.worst])} ({worst:02d})",
        p,
        f"{decimal(100 * spread.means[spread.best])} ({best:02d})",
    )


def _row(name: str, summary: KindSummary, p: float | None) -> tuple[str, ...]:
    spread, shares = summary.spread, summary.shares
    selector = summary.measure.selector
    unit = " by question" if selector is None and not summary.measure.by_pair else ""
    return (
        name,
        f"{summary.kind} ({len(summary.variants)})",
        f"{summary.measure.symbol} {selector}" if selector else f"{summary.measure.symbol}{unit}",
        *_spread_cells(
            spread,
            "-" if p is None else decimal(p, digits=3),
            summary.worst.index,
            summary.best.index,
        ),
        percent(summary.flips, bound_digits=0),
        _number(summary.agreement),
        "-"
        if shares is None
        else " / ".join(
            percent(share, interval=False)
            for share in (shares.variant, shares.sample, shares.interaction)
        ),
    )


def _number(estimate: Estimate) -> str:
    if estimate.value is None or np.isnan(estimate.value):
        return "-"
    return decimal(estimate.value, digits=2)


def render(runs: Sequence[Sensitivity], format: TableFormat | str, every: bool = False) -> str:
    """Render the table of several runs.

    Args:
        runs: The summaries.
        format: `markdown`, `latex` or `csv`.
        every: Whether to show every measure.

    Raises:
        DataError: If the format is not known.
    """
    format = as_choice(TableFormat, "format", format)
    cells, notes = rows(runs, every), [note(runs, every)]
    if format is TableFormat.CSV:
        return csv_table(COLUMNS, cells)
    if format is TableFormat.MARKDOWN:
        return markdown_table(COLUMNS, cells, notes, "l" * len(COLUMNS))
    head, body = map(latex_text, COLUMNS), [list(map(latex_text, row)) for row in cells]
    return latex_table(list(head), body, notes, "lll" + "r" * (len(COLUMNS) - 3), format)
