"""`pixfoundation sensitivity`: how much answers and masks move over the variants of a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from pixfoundation.cli.bundles import bundled
from pixfoundation.cli.completeness import EXIT_CODE
from pixfoundation.cli.figure_options import FigureOptions, figure_options
from pixfoundation.cli.options import AS_JSON
from pixfoundation.cli.printing import emphasised, notes, output, print_json, print_text
from pixfoundation.cli.scoring_options import score_options
from pixfoundation.report.formats import TableFormat
from pixfoundation.scoring.options import ScoreOptions
from pixfoundation.wording import counted

if TYPE_CHECKING:
    from pixfoundation.cli.printer import Printer
    from pixfoundation.sensitivity.analysis import Sensitivity

SHOWN = 5
"""Greatest number of incomplete variants that are named."""
FIRST_CELLS = 3
"""Columns that name a row: run, kind and measure."""


@bundled("figures", figure_options)
@bundled("options", score_options)
def sensitivity_command(
    options: ScoreOptions,
    runs: list[Path] = typer.Argument(help="Run directories with variants, of one dataset."),
    every: bool = typer.Option(
        False, "--all", help="Show every selector, and accuracies by question as well as by pair."
    ),
    format: TableFormat | None = typer.Option(
        None, help="Print one table in this format. Default: text for the terminal."
    ),
    *,
    figures: FigureOptions,
    as_json: bool = AS_JSON,
) -> None:
    """Show how much answers and masks move when only the wording or the view does.

    Examples:
      pixfoundation run --variants typos,templates,crop --out runs/varied

      pixfoundation sensitivity runs/varied --out figures

      pixfoundation sensitivity runs/llava runs/cambrian --format latex
    """
    from pixfoundation.report.sensitivity_tables import render
    from pixfoundation.runs.run_records import RunRecords
    from pixfoundation.sensitivity.families import adjusted_p
    from pixfoundation.sensitivity.rankings import rankings
    from pixfoundation.sensitivity.runs import measure_sensitivity
    from pixfoundation.sensitivity.worst import worst_samples

    records = [RunRecords.of(run) for run in runs]
    summaries = [measure_sensitivity(own, options) for own in records]
    if figures.out is not None:
        from pixfoundation.report.sensitivity_figures import write_figures

        paths = write_figures(summaries, figures.out, figures.style)
        notes().print(f"{counted(len(paths), 'figure')} in {figures.out.resolve()}")
    if as_json:
        p = adjusted_p(summary for each in summaries for summary in each.summaries)
        data = [
            {**each.to_json(p), "worst_samples": [w.to_json() for w in worst_samples(each, own)]}
            for each, own in zip(summaries, records, strict=True)
        ]
        ranks = [ranking.to_json() for ranking in rankings(summaries)]
        print_json(data[0] if len(data) == 1 else {"runs": data, "rankings": ranks})
    elif format is not None:
        print_text(render(summaries, format, every))
    else:
        _print(summaries, every, output())
    _exit_unless_sound(summaries)


def _exit_unless_sound(summaries: list[Sensitivity]) -> None:
    """Name what is missing or failed; if there is anything, end with the code of such runs."""
    lines = [
        f"{summary.name}, {variant}: {mark}; what is missing counts as wrong."
        for summary in summaries
        for variant, mark in summary.unsound.items()
    ]
    for line in lines[:SHOWN]:
        notes().print(line)
    if len(lines) > SHOWN:
        notes().print(f"... and {len(lines) - SHOWN} more variants.")
    if lines:
        raise typer.Exit(EXIT_CODE)


def _print(summaries: list[Sensitivity], every: bool, console: Printer) -> None:
    from pixfoundation.cli.score_tables import plain_table
    from pixfoundation.report.sensitivity_tables import COLUMNS, note, rows
    from pixfoundation.scoring.intervals import percent
    from pixfoundation.sensitivity.rankings import rankings

    names = ", ".join(dict.fromkeys(summary.dataset for summary in summaries))
    console.print(emphasised("Prompt sensitivity on ", (names, "bold")))
    table = plain_table("%")
    for number, column in enumerate(COLUMNS):
        table.add_column(column, justify="left" if number < FIRST_CELLS else "right", no_wrap=True)
    for row in rows(summaries, every):
        table.add_row(*row)
    console.print_table(table)
    console.print_prose(note(summaries, every), style="dim")
    for summary in summaries:
        for remark in summary.remarks():
            console.print_prose(remark, style="dim")
    for ranking in rankings(summaries):
        console.print_prose(
            f"{ranking.measure} over {ranking.kind}: {ranking.first} is better than "
            f"{ranking.second} under {percent(ranking.stability, bound_digits=0)} % of "
            f"{counted(ranking.n_variants, 'variant')}."
        )
