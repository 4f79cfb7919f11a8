"""`pixfoundation datasets`: list, check and fetch datasets."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from pixfoundation.cli.command import Command, ListingGroup
from pixfoundation.cli.listing import JSON, WORD, show
from pixfoundation.cli.options import AS_JSON, DATA_OPTION, DATA_ROOT, parse_options
from pixfoundation.cli.printing import emphasised, notes, output, print_json
from pixfoundation.wording import counted, pixfoundation_command

if TYPE_CHECKING:
    from pixfoundation.datasets.checking import Report

datasets_app = typer.Typer(
    cls=ListingGroup, help="List the datasets, check, register or download one."
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
    every: bool = typer.Option(
        False, "--all", help="List every problem; without it, like ones are one line."
    ),
) -> None:
    """List every problem of a dataset with its file and entry; errors make the command fail.

    Examples:
      pixfoundation datasets check pixmmvp

      pixfoundation datasets check folder --data-root mydata --json
    """
    from pixfoundation.datasets.checking import check_data

    report = check_data(dataset, data_root, images=images, **parse_options(data_option))
    if as_json:
        print_json(report.to_json())
    else:
        _print(report, every)
    if report.errors:
        raise typer.Exit(1)


@datasets_app.command("schema", cls=Command)
def schema_command() -> None:
    """Print the JSON Schema of a line of samples.jsonl, for a folder of your own.

    Examples:
      pixfoundation datasets schema > samples.schema.json
    """
    from pixfoundation.datasets.folder import schema

    print_json(schema())


@datasets_app.command("benchmark", cls=Command)
def benchmark_command(
    dataset: str = typer.Argument(help="A name of `pixfoundation datasets`."),
    data_root: Path | None = DATA_ROOT,
    data_option: list[str] | None = DATA_OPTION,
    title: str | None = typer.Option(None, help="Name that people read. Default: the dataset's."),
    framework: str = typer.Option(
        "pixfoundation", help="Identifier of the evaluation framework; the hub keeps the list."
    ),
    config: str = typer.Option("default", help="Configuration of the dataset on the hub."),
    split: str = typer.Option("test", help="Split of the dataset on the hub."),
) -> None:
    """Print eval.yaml, which registers a dataset of yours on the hub as a benchmark.

    Put it into the root of the dataset's repository. Each figure is a task with a leaderboard.

    Examples:
      pixfoundation datasets benchmark pixscenes > eval.yaml

      pixfoundation datasets benchmark pixmmvp --title PixMMVP --split train
    """
    from pixfoundation.loading import load_dataset
    from pixfoundation.publishing.benchmark import Benchmark

    about = Benchmark(title=title, framework=framework, config=config, split=split)
    loaded = load_dataset(dataset, data_root, **parse_options(data_option))
    typer.echo(about.to_yaml(loaded), nl=False)


@datasets_app.command("fetch", cls=Command)
def fetch_command(
    dataset: str = typer.Argument(
        help="Dataset to download: pixmmvp, pixcvbench or treebench; for others, how to get them."
    ),
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

    console = notes()
    done = fetch(
        dataset,
        out or fetched_root(dataset),
        keep_going=keep_going,
        on_progress=lambda line: console.print(line, style="dim"),
    )
    for line in done.differing:
        console.print(emphasised(("!", "yellow"), f" {line}"))
    console.print(
        f"{counted(len(done.downloaded), 'file')} downloaded to {done.root}, "
        f"{done.existing} already present."
    )
    for line in done.by_hand:
        console.print(f"To do by hand: {line}")
    where = () if done.root == fetched_root(dataset) else ("--data-root", done.root)
    console.print(f"Next: {pixfoundation_command('datasets', 'check', dataset, *where)}")


def _with_flags(message: str) -> str:
    """Replace the names of parameters in a problem by the options of the command line."""
    message = message.replace("`root`", "`--data-root`")
    return re.sub(r"`([a-z_]+=[a-z]+)`", r"`--data-option \1`", message)


def _print(report: Report, every: bool) -> None:
    from pixfoundation.datasets.checking import Group, grouped

    console = output()
    groups = [Group((p,)) for p in report.problems] if every else grouped(report.problems)
    for group in groups:
        is_error = group.problems[0].severity == "error"
        mark = ("error", "red") if is_error else ("odd", "yellow")
        console.print(emphasised(mark, f"  {_with_flags(str(group))}"))
    place = "" if report.root is None else f" at {report.root}"
    nouns = ("samples", "pairs", "annotations")
    facts = ", ".join(
        counted(number, what.removesuffix("s"), what) if what in nouns else f"{number} {what}"
        for what, number in report.facts.items()
    )
    console.print(
        emphasised(
            (report.name, "bold"),
            f"{place}: {facts or 'no samples'}. {counted(len(report.errors), 'error')}, "
            f"{counted(len(report.problems) - len(report.errors), 'oddity', 'oddities')}.",
        )
    )
