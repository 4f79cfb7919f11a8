"""`pixfoundation data`: check and fetch the data sets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.markup import escape

from pixfoundation.cli.options import AS_JSON, DATA_OPTION, DATA_ROOT, parse_options
from pixfoundation.cli.printing import say

if TYPE_CHECKING:
    from pixfoundation.datasets.checking import Report

data_app = typer.Typer(no_args_is_help=True, help="Check a data set on disk, or fetch one.")


@data_app.command("check")
def check_command(
    dataset: str = typer.Argument(help="A name of `pixfoundation datasets`."),
    data_root: Path | None = DATA_ROOT,
    data_option: list[str] | None = DATA_OPTION,
    as_json: bool = AS_JSON,
    images: bool = typer.Option(True, help="Look at the image files too."),
) -> None:
    """List everything that is wrong with a data set, with file and entry; fails if there is any.

    Examples:
      pixfoundation data check pixmmvp --data-root data/pixmmvp

      pixfoundation data check folder --data-root mydata --json
    """
    from pixfoundation.datasets.checking import check_data

    report = check_data(dataset, data_root, images=images, **parse_options(data_option))
    if as_json:
        print(json.dumps(report.to_json(), indent=2, ensure_ascii=False))
    else:
        _print(report)
    if report.errors:
        raise typer.Exit(1)


@data_app.command("fetch")
def fetch_command(
    dataset: str = typer.Argument(help="pixmmvp or pixcvbench."),
    to: Path | None = typer.Option(None, help="The folder. Default: data/<name>."),
    keep_going: bool = typer.Option(
        False, help="Go on when a file is not as recorded; it is kept in any case."
    ),
) -> None:
    """Download what the Hugging Face hub has of a data set; verify it; say what is left to do.

    What is there already stays, and a download that broke off goes on.

    Examples:
      pixfoundation data fetch pixmmvp --to data/pixmmvp

      pixfoundation data fetch pixcvbench --to data/pixcvbench
    """
    from pixfoundation.datasets.fetch import fetch

    console = Console(stderr=True)
    done = fetch(
        dataset,
        to or Path("data") / dataset,
        keep_going=keep_going,
        report=lambda line: console.print(escape(line), highlight=False, style="dim"),
    )
    for line in done.differing:
        say(console, f"[yellow]![/yellow] {escape(line)}")
    say(
        console, f"{len(done.downloaded)} files downloaded, {done.held} were there; in {done.root}."
    )
    for line in done.by_hand:
        say(console, f"To do by hand: {escape(line)}")
    say(console, f"Next: pixfoundation data check {dataset} --data-root {done.root}")


def _print(report: Report) -> None:
    console = Console()
    for problem in report.problems:
        mark = "[red]error[/red]" if problem.severity == "error" else "[yellow]odd[/yellow]"
        say(console, f"{mark}  {escape(str(problem))}")
    facts = ", ".join(f"{value} {name}" for name, value in report.facts.items())
    say(
        console,
        f"[bold]{report.name}[/bold]: {facts or 'no samples'}. "
        f"{len(report.errors)} errors, {len(report.problems) - len(report.errors)} oddities.",
    )
