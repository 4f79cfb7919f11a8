"""`reproduce` for Python and for the command: make what a recipe lacks, and compare its rows.

A step of a recipe is a command of this program, run in this process: a recipe, the command and
Python cannot differ. Hence this module is here, above the commands.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path

from pixfoundation.cli.printing import emphasised, notes
from pixfoundation.errors import DataError, PixFoundationError
from pixfoundation.reproduction.checking import load_recipe
from pixfoundation.reproduction.comparison import ComparedRow, compare_rows
from pixfoundation.reproduction.estimate import RunEstimate, estimate_run, read_rates
from pixfoundation.reproduction.plan import PlannedRun, ReproductionPlan, Step, make_plan
from pixfoundation.reproduction.progress import is_complete
from pixfoundation.reproduction.recipe import find_recipe
from pixfoundation.reproduction.result import Reproduction


def reproduce(
    recipe: str | Path,
    *,
    rows: Sequence[str] | None = None,
    out: Path | str | None = None,
    limit: int | None = None,
    judged: bool = True,
) -> Reproduction:
    """Make the runs of a recipe, and compare each row with the published one.

    What exists already is not made again; the same call continues where it stopped. Each step is
    a command of `pixfoundation`; what it prints goes to standard error. A run that cannot be made
    costs no other run: its problem stands in the result.

    Args:
        recipe: Name of a recipe that comes with the package, or a TOML file.
        rows: Runs, run directories, datasets or published rows to reproduce; None for all.
        out: Folder of the run directories; None for the recipe's, or `runs/<recipe>`.
        limit: Run over, and compare, the first samples only, at most this many.
        judged: Whether the recipe's judge is asked.

    Returns:
        The rows next to the published ones.

    Raises:
        DataError: If the recipe is not valid.
        UnknownNameError: If there is no such recipe or row.
    """
    return make_and_compare(plan_recipe(recipe, rows, out, limit), judged=judged)


def estimate_reproduction(
    recipe: str | Path,
    *,
    rows: Sequence[str] | None = None,
    out: Path | str | None = None,
    limit: int | None = None,
    judged: bool = True,
    rates: Path | str | None = None,
    calibrate: int | None = None,
) -> tuple[RunEstimate, ...]:
    """Estimate what `reproduce` is left to do: questions, judge requests, tokens, money, time.

    Args:
        recipe: As for `reproduce`.
        rows: As for `reproduce`.
        out: As for `reproduce`.
        limit: As for `reproduce`.
        judged: As for `reproduce`.
        rates: A TOML file of prices and speeds; None for the assumptions alone.
        calibrate: Number of samples of each run to run first, to measure how long the rest takes;
            at most `limit`. Their answers are kept. None to run nothing.

    Returns:
        One estimate per run directory.

    Raises:
        DataError: If the recipe or the rates are not valid.
        UnknownNameError: If there is no such recipe or row.
    """
    if calibrate is not None and calibrate < 1:
        raise DataError(f"`calibrate` must be at least 1, but got {calibrate}.")
    plan = plan_recipe(recipe, rows, out, limit)
    known = read_rates(None if rates is None else Path(rates))
    if calibrate is not None:
        calibrate_runs(plan, calibrate)
    return tuple(estimate_run(plan, run, known, judged=judged) for run in plan.runs)


def plan_recipe(
    recipe: str | Path, rows: Sequence[str] | None, out: Path | str | None, limit: int | None
) -> ReproductionPlan:
    """Find and check a recipe, and choose its rows; the arguments are those of `reproduce`."""
    if limit is not None and limit < 1:
        raise DataError(f"`limit` must be at least 1, but got {limit}.")
    file = find_recipe(str(recipe))
    folder = None if out is None else Path(out)
    return make_plan(load_recipe(file), file, rows=rows, out=folder, limit=limit)


def calibrate_runs(plan: ReproductionPlan, samples: int) -> None:
    """Run the first samples of each run, as far as the plan goes, so that its speed is known."""
    for run in plan.runs:
        short = samples if run.limit is None else min(samples, run.limit)
        make_missing(plan, replace(run, limit=short), judged=False)


def make_and_compare(plan: ReproductionPlan, *, judged: bool) -> Reproduction:
    """Make what is missing of every run, and compare its rows."""
    compared: list[ComparedRow] = []
    problems: dict[str, str] = {}
    for run in plan.runs:
        problem = make_missing(plan, run, judged=judged)
        if problem is not None:
            problems[run.folder.name] = problem
        compared += compare_rows(plan, run, problem)
    return Reproduction(plan.recipe.title, tuple(compared), problems)


def make_missing(plan: ReproductionPlan, run: PlannedRun, *, judged: bool) -> str | None:
    """Do what is missing of one run; say, and return as a clause, why it could not be done."""
    problem = _make(plan, run, judged=judged)
    if problem is not None:
        notes().print_prose(f"{run.folder.name}: {problem}", style="yellow")
    return problem


def _make(plan: ReproductionPlan, run: PlannedRun, *, judged: bool) -> str | None:
    for step in plan.steps(run, judged=judged):
        if step.kind == "run" and is_complete(plan, run):
            notes().print(f"{run.folder} is complete.")
            continue
        notes().print(emphasised(("$ ", "dim"), (command_line(step), "dim")))
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


def command_line(step: Step) -> str:
    """Return a step as it is typed in a shell."""
    return shlex.join(["pixfoundation", step.kind, *step.arguments])
