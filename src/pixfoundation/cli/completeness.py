"""Say on standard error, and by the exit code, that a run is incomplete or has failures."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import typer

from pixfoundation.cli.printing import notes

if TYPE_CHECKING:
    from pixfoundation.runs.completeness import Completeness
    from pixfoundation.runs.store import RunDirectory

EXIT_CODE = 3
"""Exit code of a command whose output is of a run that lacks answers, or in which some failed."""


def exit_unless_directories_sound(directories: Iterable[RunDirectory]) -> None:
    """Name the runs that are incomplete or have failures, as `exit_unless_sound` does.

    Args:
        directories: The runs that the output is of.

    Raises:
        typer.Exit: If a run is incomplete or has failures.
    """
    from pixfoundation.runs.completeness import measure_completeness
    from pixfoundation.runs.run_records import RunRecords

    exit_unless_sound([(run.name, measure_completeness(RunRecords(run))) for run in directories])


def exit_unless_sound(runs: Iterable[tuple[str, Completeness]]) -> None:
    """Name the runs that are incomplete or have failures; if there are any, end with `EXIT_CODE`.

    Args:
        runs: Name and completeness of the runs that the output is of.

    Raises:
        typer.Exit: If a run is incomplete or has failures.
    """
    unsound = [(name, state) for name, state in runs if not state.sound]
    for name, state in unsound:
        notes().print(f"{name}: {state.sentence}")
    if unsound:
        raise typer.Exit(EXIT_CODE)
