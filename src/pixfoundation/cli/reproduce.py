"""`pixfoundation reproduce`: make the runs of a recipe, and compare its rows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from pixfoundation.cli.completeness import EXIT_CODE
from pixfoundation.cli.options import AS_JSON
from pixfoundation.cli.printing import emphasised, output, print_json
from pixfoundation.cli.recipe import RECIPE

if TYPE_CHECKING:
    from pixfoundation.reproduction.estimate import Rates
    from pixfoundation.reproduction.plan import ReproductionPlan
    from pixfoundation.reproduction.result import Reproduction


def reproduce_command(
    recipe: str = RECIPE,
    rows: str | None = typer.Option(
        None,
        help="Runs, datasets or published rows to reproduce, by commas. Default: all.",
    ),
    out: Path | None = typer.Option(
        None, help="Folder of the run directories. Default: the recipe's, or runs/<recipe>."
    ),
    limit: int | None = typer.Option(
        None, min=1, help="Run over, and compare, the first N samples only, for a first look."
    ),
    no_judge: bool = typer.Option(False, "--no-judge", help="Ask no judge."),
    dry_run: bool = typer.Option(
        False,
        "--dry-run",
        help="Print the commands, and what they cost: questions, judge requests, tokens, money, "
        "memory, time.",
    ),
    rates: Path | None = typer.Option(
        None, metavar="FILE", help="With --dry-run: a TOML file of prices and speeds."
    ),
    calibrate: int | None = typer.Option(
        None,
        min=1,
        metavar="N",
        help="With --dry-run: run N samples of each run first, at most --limit, to measure how "
        "long the rest takes.",
    ),
    as_json: bool = AS_JSON,
) -> None:
    """Make the runs of a recipe, and print each row next to the published one.

    What exists already is not made again; the same command continues where it stopped. Each step
    is the command of `pixfoundation` that --dry-run prints.

    Examples:
      pixfoundation reproduce embedded --limit 8

      pixfoundation reproduce table1 --rows llava-1.5-7b --dry-run --rates rates.toml

      pixfoundation reproduce table1 --rows 'LISA (7B)' --no-judge

      pixfoundation reproduce mine.toml --json > rows.json
    """
    from pixfoundation.cli import reproducing
    from pixfoundation.reproduction.estimate import read_rates

    if not dry_run and (rates is not None or calibrate is not None):
        raise typer.BadParameter("--rates and --calibrate belong to --dry-run.")
    names = None if rows is None else [name.strip() for name in rows.split(",") if name.strip()]
    plan = reproducing.plan_recipe(recipe, names, out, limit)
    if not dry_run:
        result = reproducing.make_and_compare(plan, judged=not no_judge)
        _print_rows(result, as_json=as_json)
        if result.problems:
            raise typer.Exit(EXIT_CODE)
        return
    known = read_rates(rates)
    if calibrate is not None:
        reproducing.calibrate_runs(plan, calibrate)
    _print_estimate(plan, known, judged=not no_judge, as_json=as_json)


def _print_rows(result: Reproduction, *, as_json: bool) -> None:
    from pixfoundation.cli.score_tables import plain_table
    from pixfoundation.scoring.paired import COLUMNS

    if as_json:
        print_json(result.to_json())
        return
    console = output()
    console.print(emphasised((result.title, "bold")))
    table = plain_table("%, [95 % interval]")
    table.add_column("row", no_wrap=True)
    table.add_column("of", no_wrap=True)
    for column in COLUMNS:
        table.add_column(column, justify="right", no_wrap=True)
    for title, origin, cells in result.lines():
        table.add_row(title, origin, *cells)
    console.print_table(table)
    for row in result.rows:
        console.print_prose(f"{row.title}: {row.sentence}.")
    for source in result.sources:
        console.print_prose(f"Published: {source}.", style="dim")


def _print_estimate(plan: ReproductionPlan, rates: Rates, *, judged: bool, as_json: bool) -> None:
    from pixfoundation.cli.estimate_tables import print_estimates
    from pixfoundation.cli.reproducing import command_line
    from pixfoundation.reproduction.estimate import estimate_run

    estimates = [estimate_run(plan, run, rates, judged=judged) for run in plan.runs]
    commands = [command_line(step) for run in plan.runs for step in plan.steps(run, judged=judged)]
    if as_json:
        print_json({"commands": commands, "runs": [each.to_json() for each in estimates]})
        return
    print_estimates(estimates, rates)
    console = output()
    console.print(emphasised(("commands", "bold")))
    for command in commands:
        console.print(command)
