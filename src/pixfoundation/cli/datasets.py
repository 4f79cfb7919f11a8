"""`pixfoundation datasets`: list, check and fetch datasets."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.markup import escape

from pixfoundation.cli.command import Command, ListingGroup
from pixfoundation.cli.listing import JSON, WORD, show
from pixfoundation.cli.options import AS_JSON, DATA_OPTION, DATA_ROOT, parse_options
from pixfoundation.cli.printing import say

if TYPE_CHECKING:
    from pixfoundation.datasets.checking import Report

datasets_app = typer.Typer(
    cls=ListingGroup, help="List the datasets, check one on disk, or download one."
)


@datasets_app.command("list")
def list_command(word: str | None = WORD, as_json: bool = JSON) -> None:
    """List the datasets by name; the default if no subcommand is given.

    Examples:
      pixfoundation datasets

      pixfoundation datasets list mmvp --json
    """
    from pixfoundation.datasets import datasets

    show(datasets, "datasets", word, as_json)


@datasets_app.command("check", cls=Command)
def check_command(
    dataset: str = typer.Argument(help="A name of `pixfoundation datasets`."),
    data_root: Path | None = DATA_ROOT,
    data_option: list[str] | None = DATA_OPTION,
    as_json: bool = AS_JSON,
    images: bool = typer.Option(True, help="Open the image files as well."),
) -> None:
    """List every problem of a dataset with its file and entry; errors make the command fail.

    Examples:
      pixfoundation datasets check pixmmvp

      pixfoundation datasets check folder --data-root mydata --json
    """
    from pixfoundation.datasets.checking import check_data

    report = check_data(dataset, data_root, images=images, **parse_options(data_option))
    if as_json:
        print(json.dumps(report.to_json(), indent=2, ensure_ascii=False))
    else:
        _print(report)
    if report.errors:
        raise typer.Exit(1)


@datasets_app.command("fetch", cls=Command)
def fetch_command(
    dataset: str = typer.Argument(help="Dataset to download: pixmmvp or pixcvbench."),
    out: Path | None = typer.Option(
        None,
        help="Folder to download into. Default: data/<name>, or $PIXFOUNDATION_DATA/<name>.",
    ),
    keep_going: bool = typer.Option(
        False, help="Continue when a file differs from the recorded one. It is kept either way."
    ),
) -> None:
    """Download a dataset from the Hugging Face hub, verify it, and say what is left to do by hand.

    Complete files are kept, and an interrupted download is resumed.

    Examples:
      pixfoundation datasets fetch pixmmvp

      pixfoundation datasets fetch pixcvbench --out /scratch/pixcvbench
    """
    from pixfoundation.datasets.fetch import fetch
    from pixfoundation.datasets.places import fetched_root

    console = Console(stderr=True)
    done = fetch(
        dataset,
        out or fetched_root(dataset),
        keep_going=keep_going,
        on_progress=lambda line: console.print(escape(line), highlight=False, style="dim"),
    )
    for line in done.differing:
        say(console, f"[yellow]![/yellow] {escape(line)}")
    say(
        console,
        f"{len(done.downloaded)} files downloaded to {done.root}, {done.existing} already present.",
    )
    for line in done.by_hand:
        say(console, f"To do by hand: {escape(line)}")
    where = (
        "" if done.root == fetched_root(dataset) else f" --data-root {shlex.quote(str(done.root))}"
    )
    say(console, f"Next: pixfoundation datasets check {dataset}{escape(where)}")


def _print(report: Report) -> None:
    console = Console()
    for problem in report.problems:
        mark = "[red]error[/red]" if problem.severity == "error" else "[yellow]odd[/yellow]"
        say(console, f"{mark}  {escape(str(problem))}")
    place = "" if report.root is None else f" at {report.root}"
    facts = ", ".join(f"{value} {name}" for name, value in report.facts.items())
    say(
        console,
        f"[bold]{report.name}[/bold]{escape(place)}: {facts or 'no samples'}. "
        f"{len(report.errors)} errors, {len(report.problems) - len(report.errors)} oddities.",
    )
