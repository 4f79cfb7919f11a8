"""`pixfoundation compare`: two run directories, pair by pair."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import typer

from pixfoundation.cli.bundles import bundled
from pixfoundation.cli.completeness import exit_unless_sound
from pixfoundation.cli.options import AS_JSON
from pixfoundation.cli.printing import emphasised, output, print_json
from pixfoundation.cli.scoring_options import PROMPTS, RUN, score_options
from pixfoundation.scoring.options import PromptCase, ScoreOptions
from pixfoundation.wording import counted, decimal


@bundled("options", score_options)
def compare_command(
    options: ScoreOptions,
    first: Path = RUN,
    second: Path = typer.Argument(help="Another run directory, of the same dataset."),
    prompts: PromptCase = PROMPTS,
    as_json: bool = AS_JSON,
) -> None:
    """Compare two runs on the samples that they share, pair by pair.

    Examples:
      pixfoundation compare runs/llava-7b runs/llava-13b

      pixfoundation compare runs/before runs/after --json

      pixfoundation compare runs/varied-7b runs/varied-13b --prompts mean
    """
    from pixfoundation.cli.score_tables import plain_table
    from pixfoundation.scoring.compare import compare
    from pixfoundation.scoring.intervals import percent

    comparison = compare(first, second, replace(options, prompts=prompts))
    states = [(run.name, run.completeness) for run in (comparison.first, comparison.second)]
    if as_json:
        print_json(comparison.to_json())
        exit_unless_sound(states)
        return
    console = output()
    shared = counted(len(comparison.first.samples), "shared sample")
    dropped = f", {comparison.dropped} that only one run has left out" if comparison.dropped else ""
    console.print(emphasised((comparison.first.dataset, "bold"), f": {shared}{dropped}"))
    table = plain_table("%; second minus first [95 % interval]; * leaves zero out")
    headings = [f"{name}\n[{state.mark}]" if state.mark else name for name, state in states]
    for title in ("", *headings, "difference", ""):
        table.add_column(title, justify="right" if title else "left", no_wrap=True)
    for name, difference in comparison.differences.items():
        table.add_row(
            name,
            percent(difference.first, interval=False),
            percent(difference.second, interval=False),
            _signed(difference.value, difference.interval),
            "*" if difference.clear else "",
        )
    console.print_table(table)
    for line in comparison.prompts:
        console.print_prose(line, style="dim")
    for condition, both in comparison.conditions.items():
        console.print(f"The runs differ in {condition}: {'; '.join(both)}.", style="yellow")
    exit_unless_sound(states)


def _signed(value: float | None, bounds: tuple[float, float] | None) -> str:
    if value is None:
        return "-"
    ends = None if bounds is None else (100 * bounds[0], 100 * bounds[1])
    return decimal(100 * value, ends, signed=True)
