"""`pixfoundation track`: scores and figures of runs in an experiment tracker."""

from __future__ import annotations

from pathlib import Path

import typer

from pixfoundation.cli.bundles import bundled
from pixfoundation.cli.completeness import exit_unless_sound
from pixfoundation.cli.completion import tracker_names
from pixfoundation.cli.options import parse_options
from pixfoundation.cli.printing import output
from pixfoundation.cli.scoring_options import score_options
from pixfoundation.scoring.options import ScoreOptions


@bundled("options", score_options)
def track_command(
    options: ScoreOptions,
    runs: list[Path] = typer.Argument(help="Run directories; each becomes a run of the tracker."),
    tracker: str = typer.Option(
        ..., help="A name of `pixfoundation trackers`.", autocompletion=tracker_names
    ),
    project: str = typer.Option("pixfoundation", help="Project, or experiment, of the runs."),
    name: str | None = typer.Option(
        None, help="Name of the run there. Default: that of the run directory."
    ),
    no_figures: bool = typer.Option(False, "--no-figures", help="Record the scores alone."),
    option: list[str] | None = typer.Option(
        None, metavar="KEY=VALUE", help="Option of the tracker, such as mode=offline; repeatable."
    ),
) -> None:
    """Record scores and figures of runs in Trackio, Weights & Biases, MLflow or TensorBoard.

    Each call makes new runs there. The scores are those of `pixfoundation score` with the same
    options, fractions from 0 to 1, with their 95 % intervals.

    Examples:
      pixfoundation track runs/first --tracker tensorboard

      pixfoundation track runs/* --tracker wandb --project grounding --option mode=offline

      pixfoundation track runs/llava --tracker mlflow --option uri=http://localhost:5000
    """
    from pixfoundation.exports.view import ExportedRun
    from pixfoundation.runs.names import run_names
    from pixfoundation.runs.run_records import RunRecords
    from pixfoundation.trackers.tracking import load_tracker, track

    if name is not None and len(runs) > 1:
        raise typer.BadParameter("--name belongs to a single run.")
    client = load_tracker(tracker, parse_options(option))
    records = [RunRecords.of(run) for run in runs]
    views = [ExportedRun(each, options) for each in records]
    for view in views:
        output().print_prose(track(view, client, project, name=name, pictures=not no_figures))
    names = run_names([each.run for each in records])
    exit_unless_sound(
        (own, view.scores.completeness) for own, view in zip(names, views, strict=True)
    )
