"""`pixfoundation stability`: does a finding hold under other settings, and on other pairs?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from pixfoundation.cli.causes import PROTOCOL
from pixfoundation.cli.completeness import exit_unless_directories_sound
from pixfoundation.cli.options import AS_JSON
from pixfoundation.cli.printing import notes, output, print_json

if TYPE_CHECKING:
    from pixfoundation.causes.stability import Stability
    from pixfoundation.types import Protocol


def stability_command(
    runs: list[Path] = typer.Argument(
        help="Runs over the same samples, or one with variants or compared readings."
    ),
    protocol: int = PROTOCOL,
    seed: int = typer.Option(2024, min=0, help="Seed of the splits into halves."),
    as_json: bool = AS_JSON,
) -> None:
    """Show how stable attention is over runs (segmenters, readings, seeds) and over variants.

    The best setting is chosen on one half of the pairs and reported on the other. The readings that
    `compare-readings` has measured in a run are settings, too.

    Examples:
      pixfoundation stability runs/first      # after compare-readings runs/first

      pixfoundation stability runs/tiny-sam runs/sam-vit-h

      pixfoundation stability runs/varied --json
    """
    from pixfoundation.causes.stability import (
        SettingsError,
        measure_reading_stability,
        measure_stability,
    )
    from pixfoundation.runs.store import RunDirectory

    directories = [RunDirectory(run) for run in runs]
    number: Protocol = protocol  # type: ignore[assignment] - the option's bounds say so
    over_readings: dict[str, list[Stability]] = {}
    refused: SettingsError | None = None
    for run in directories:
        try:
            if results := measure_reading_stability(run, protocol=number, seed=seed):
                over_readings[run.name] = results
        except SettingsError as error:
            refused = error
            notes().print(f"{error}", style="yellow")
    try:
        over_runs = measure_stability(directories, protocol=number, seed=seed)
    except SettingsError as error:
        if not over_readings:
            raise refused or error from None
        over_runs = []
    every = [*over_runs, *(each for results in over_readings.values() for each in results)]
    if as_json:
        print_json([each.to_json() for each in every])
    else:
        for each in over_runs:
            _print(each, each.measure)
        for name, results in over_readings.items():
            for each in results:
                _print(each, f"{name}: {each.measure} over readings")
    exit_unless_directories_sound(directories)


def _print(stability: Stability, title: str) -> None:
    from pixfoundation.cli.score_tables import plain_table
    from pixfoundation.report.page import percent
    from pixfoundation.wording import counted

    console = output()
    table = plain_table(f"{title}, % [95 % interval]")
    table.add_column("setting")
    table.add_column("value", justify="right", no_wrap=True)
    for name, estimate in stability.settings.items():
        table.add_row(name, percent(estimate))
    console.print_table(table)
    text = f"Standard deviation over settings {100 * stability.spread:.1f}. "
    if stability.in_sample is None or stability.held_out is None:
        text += "Too few pairs to choose on one half and report on the other; "
    else:
        text += (
            f"Chosen on one half of the pairs: {stability.chosen} on "
            f"{100 * stability.chosen_share:.0f} % of halves; there "
            f"{100 * stability.in_sample:.1f}, on the other half {100 * stability.held_out:.1f}; "
        )
    text += f"mean of all settings {100 * stability.average:.1f}."
    if more := [f"{n} has {k}" for n, k in stability.answers.items() if k > stability.shared]:
        text += f" On the {counted(stability.shared, 'answer')} that all have; {', '.join(more)}."
    console.print_prose(text)
    for name, reason in stability.left_out.items():
        console.print_prose(f"Left out: {name}, {reason}.", style="yellow")
