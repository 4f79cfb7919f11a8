"""`pixfoundation reproduce`: make the runs of a recipe, and compare its rows."""

from __future__ import annotations

import shlex
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from pixfoundation.cli.completeness import EXIT_CODE
from pixfoundation.cli.options import AS_JSON
from pixfoundation.cli.printing import emphasised, notes, output, print_json
from pixfoundation.cli.recipe import RECIPE

if TYPE_CHECKING:
    from pixfoundation.reproduction.comparison import ComparedRow
    from pixfoundation.reproduction.estimate import Rates
    from pixfoundation.reproduction.plan import PlannedRun, ReproductionPlan, Step


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
        None, min=1, help="Run over the first N samples only, for a first look."
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
        help="With --dry-run: run N samples of each run first, to measure how long the rest takes.",
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
    from pixfoundation.reproduction.checking import load_recipe
    from pixfoundation.reproduction.estimate import read_rates
    from pixfoundation.reproduction.plan import make_plan
    from pixfoundation.reproduction.recipe import find_recipe

    if not dry_run and (rates is not None or calibrate is not None):
        raise typer.BadParameter("--rates and --calibrate belong to --dry-run.")
    file = find_recipe(recipe)
    checked = load_recipe(file)
    names = None if rows is None else [name.strip() for name in rows.split(",") if name.strip()]
    plan = make_plan(checked, file, rows=names, out=out, limit=limit)
    known = read_rates(rates)
    if calibrate is not None:
        short = make_plan(checked, file, rows=names, out=out, limit=calibrate)
        for run in short.runs:
            if problem := _make(short, run, judged=False):
                notes().print_prose(f"{run.folder.name}: {problem}", style="yellow")
    if dry_run:
        _print_estimate(plan, known, judged=not no_judge, as_json=as_json)
        return
    _reproduce(plan, judged=not no_judge, as_json=as_json)


def _reproduce(plan: ReproductionPlan, *, judged: bool, as_json: bool) -> None:
    """Make what is missing, and print the rows.

    Raises:
        typer.Exit: If a run could not be made or judged.
    """
    from pixfoundation.reproduction.comparison import compare_rows

    compared: list[ComparedRow] = []
    failed = False
    for run in plan.runs:
        problem = _make(plan, run, judged=judged)
        if problem is not None:
            failed = True
            notes().print_prose(f"{run.folder.name}: {problem}", style="yellow")
        compared += compare_rows(plan, run, problem)
    if as_json:
        print_json([row.to_json() for row in compared])
    else:
        _print_rows(plan, compared)
    if failed:
        raise typer.Exit(EXIT_CODE)


def _make(plan: ReproductionPlan, run: PlannedRun, *, judged: bool) -> str | None:
    """Do what is missing of one run; return why it could not be done, as a clause."""
    from pixfoundation.errors import PixFoundationError
    from pixfoundation.reproduction.progress import is_complete

    for step in plan.steps(run, judged=judged):
        if step.kind == "run" and is_complete(plan, run):
            notes().print(f"{run.folder} is complete.")
            continue
        notes().print(emphasised(("$ ", "dim"), (_line(step), "dim")))
        try:
            code = _invoke(step)
        except PixFoundationError as error:
            return f"`{step.kind}` failed: {error}"
        if code:
            return f"`{step.kind}` ended with exit code {code}"
    return None


def _invoke(step: Step) -> int:
    """Run a command of this program in this process, and return its exit code.

    What it prints goes to standard error: standard output has the rows alone.
    """
    from typer import Exit

    from pixfoundation.cli.commands import COMMANDS

    command = COMMANDS[step.kind].load(step.kind)
    try:
        with redirect_stdout(sys.stderr):
            return command.main(list(step.arguments), standalone_mode=False) or 0
    except Exit as ended:
        return ended.exit_code


def _line(step: Step) -> str:
    return shlex.join(["pixfoundation", step.kind, *step.arguments])


def _print_rows(plan: ReproductionPlan, rows: list[ComparedRow]) -> None:
    from pixfoundation.cli.score_tables import plain_table
    from pixfoundation.scoring.intervals import percent
    from pixfoundation.scoring.paired import COLUMNS
    from pixfoundation.wording import decimal

    console = output()
    console.print(emphasised((plan.recipe.title, "bold")))
    table = plain_table("%, [95 % interval]")
    table.add_column("row", no_wrap=True)
    table.add_column("of", no_wrap=True)
    for column in COLUMNS:
        table.add_column(column, justify="right", no_wrap=True)
    for row in rows:
        published = {figure.column: figure.published for figure in row.figures}
        table.add_row(row.title, "this run", *(percent(row.values[column]) for column in COLUMNS))
        if published:
            cells = (decimal(published[c]) if c in published else "-" for c in COLUMNS)
            table.add_row("", "published", *cells)
    console.print_table(table)
    for row in rows:
        console.print_prose(f"{row.title}: {row.sentence}.")
    for source in dict.fromkeys(row.source for row in rows if row.source):
        console.print_prose(f"Published: {source}.", style="dim")


def _print_estimate(plan: ReproductionPlan, rates: Rates, *, judged: bool, as_json: bool) -> None:
    from pixfoundation.cli.estimate_tables import print_estimates
    from pixfoundation.reproduction.estimate import estimate_run

    estimates = [estimate_run(plan, run, rates, judged=judged) for run in plan.runs]
    commands = [_line(step) for run in plan.runs for step in plan.steps(run, judged=judged)]
    if as_json:
        print_json({"commands": commands, "runs": [each.to_json() for each in estimates]})
        return
    print_estimates(estimates, rates)
    console = output()
    console.print(emphasised(("commands", "bold")))
    for command in commands:
        console.print(command)
