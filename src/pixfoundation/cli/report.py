"""`pixfoundation report`: scores and samples as one HTML page."""

from __future__ import annotations

from pathlib import Path

import typer

from pixfoundation.cli.bundles import bundled
from pixfoundation.cli.completeness import exit_unless_sound
from pixfoundation.cli.printing import output
from pixfoundation.cli.scoring_options import score_options
from pixfoundation.scoring.options import ScoreOptions


@bundled("options", score_options)
def report_command(
    options: ScoreOptions,
    runs: list[Path] = typer.Argument(help="A run directory, or several to show side by side."),
    out: Path | None = typer.Option(
        None, help="Folder of the page. Default: `report` in the first run."
    ),
    data_root: Path | None = typer.Option(
        None, help="Folder of the dataset, if it has moved since the run."
    ),
    title: str = typer.Option("PixFoundation report", help="The page's title."),
) -> None:
    """Write one self-contained HTML page: the tables, and a gallery of every sample.

    Examples:
      pixfoundation report runs/first --out page

      pixfoundation report runs/llava runs/lisa --published --out page
    """
    from pixfoundation.report.page import write_report
    from pixfoundation.runs.completeness import measure_completeness
    from pixfoundation.runs.names import run_names
    from pixfoundation.runs.run_records import RunRecords

    records = [RunRecords.of(run) for run in runs]
    folder = out or runs[0] / "report"
    page = write_report(records, folder, title=title, options=options, data_root=data_root)
    output().print(f"The report: {page.resolve()}")
    names = run_names([each.run for each in records])
    exit_unless_sound(zip(names, map(measure_completeness, records), strict=True))
