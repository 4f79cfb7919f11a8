"""What a recipe costs, as tables on the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from pixfoundation.cli.printing import output
from pixfoundation.cli.score_tables import plain_table
from pixfoundation.reproduction.estimate import Rates, RunEstimate
from pixfoundation.wording import counted, duration

UNKNOWN = "?"


def print_estimates(estimates: Sequence[RunEstimate], rates: Rates) -> None:
    """Print what each run costs, the sums, and what is assumed.

    Args:
        estimates: The estimates.
        rates: The rates that they were made with.
    """
    console = output()
    table = plain_table("what is left to do")
    table.add_column("run", no_wrap=True)
    for title in ("samples", "questions", "done", "memory", "time"):
        table.add_column(title, justify="right", no_wrap=True)
    for each in estimates:
        table.add_row(
            each.run.folder.name,
            _number(each.samples),
            _number(each.questions),
            str(each.done),
            each.memory or UNKNOWN,
            UNKNOWN if each.seconds is None else duration(each.seconds),
        )
    console.print_table(table)
    if any(each.judge is not None for each in estimates):
        _print_judge(estimates, rates)
    for each in estimates:
        if each.problem:
            console.print_prose(f"{each.run.folder.name}: {each.problem}", style="yellow")
    known = [each.seconds for each in estimates if each.seconds is not None]
    total = sum(each.questions or 0 for each in estimates)
    more = "" if len(known) == len(estimates) else " and what has no known speed"
    console.print_prose(
        f"Together: {counted(total, 'question')}"
        + (f", {duration(sum(known))}{more}." if known else ".")
    )
    if len(known) < len(estimates):
        console.print_prose(
            "The time of a run is known once it has begun (--calibrate N), or from the table "
            "`speed` of a file of rates.",
            style="dim",
        )


def _print_judge(estimates: Sequence[RunEstimate], rates: Rates) -> None:
    console = output()
    table = plain_table("what the judge is asked")
    table.add_column("run", no_wrap=True)
    for title in ("requests", "images", "tokens sent", "tokens received", "cost"):
        table.add_column(title, justify="right", no_wrap=True)
    asked = [each for each in estimates if each.judge is not None]
    for each in asked:
        judge = each.judge
        assert judge is not None
        table.add_row(
            each.run.folder.name,
            str(judge.requests),
            str(judge.images),
            _number(judge.input_tokens),
            f"at most {judge.output_tokens}",
            _money(judge.money, rates),
        )
    console.print_table(table)
    costs = [each.judge.money for each in asked if each.judge is not None]
    known = [cost for cost in costs if cost is not None]
    if known:
        console.print_prose(f"Together: {_money(sum(known), rates)}.")
    own = rates.judge
    console.print_prose(
        f"Assumed: {own.characters_per_token:g} characters per token; where no answer exists yet, "
        f"{own.answer_tokens:g} tokens and {own.masks_per_answer:g} masks per answer. Prices and "
        "tokens per image are read from the table `judge` of a file of rates (--rates).",
        style="dim",
    )


def _number(value: int | None) -> str:
    return UNKNOWN if value is None else str(value)


def _money(value: float | None, rates: Rates) -> str:
    return UNKNOWN if value is None else f"{value:.2f} {rates.judge.currency}"
