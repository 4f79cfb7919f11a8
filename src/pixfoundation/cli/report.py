"""`pixfoundation report`: scores and samples as one HTML page."""

from __future__ import annotations

from pathlib import Path

import typer

from pixfoundation.cli.bundles import bundled
from pixfoundation.cli.completeness import exit_unless_sound
from pixfoundation.cli.options import MOVED_DATA, given
from pixfoundation.cli.printing import output
from pixfoundation.cli.scoring_options import score_options
from pixfoundation.scoring.options import ScoreOptions


@bundled("options", score_options)
def report_command(
    options: ScoreOptions,
    runs: list[Path] = typer.Argument(help="A run directory, or several to show side by side."),
    out: Path | None = typer.Option(
        None,
        help="Folder of the page. Default: `report` in the first run; `leaderboard` here with "
        "--leaderboard.",
    ),
    data_root: Path | None = MOVED_DATA,
    title: str | None = typer.Option(None, help="The page's title."),
    leaderboard: bool = typer.Option(
        False,
        "--leaderboard",
        help="Write a page that sorts and filters the runs by any figure, with a link into the "
        "gallery of each; they may be on different datasets.",
    ),
    no_galleries: bool = typer.Option(
        False, "--no-galleries", help="With --leaderboard: write that page alone."
    ),
) -> None:
    """Write one self-contained HTML page: the tables, and a gallery of every sample.

    Examples:
      pixfoundation report runs/first --out page

      pixfoundation report runs/llava runs/lisa --published --out page

      pixfoundation report --leaderboard runs/* --out board
    """
    from pixfoundation.report.page import write_report
    from pixfoundation.runs.completeness import measure_completeness
    from pixfoundation.runs.names import run_names
    from pixfoundation.runs.run_records import RunRecords

    if no_galleries and not leaderboard:
        raise typer.BadParameter("--no-galleries belongs to --leaderboard.")
    records = [RunRecords.of(run, data_root=data_root) for run in runs]
    if leaderboard:
        from pixfoundation.report.leaderboard import write_leaderboard

        page = write_leaderboard(
            records,
            out or Path("leaderboard"),
            options=options,
            galleries=not no_galleries,
            **given(title=title),
        )
        output().print(f"The leaderboard: {page.resolve()}")
    else:
        folder = out or runs[0] / "report"
        page = write_report(records, folder, options=options, **given(title=title))
        output().print(f"The report: {page.resolve()}")
    names = run_names([each.run for each in records])
    exit_unless_sound(zip(names, map(measure_completeness, records), strict=True))
