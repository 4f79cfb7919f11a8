"""Say on standard error, and by the exit code, that a run is incomplete or has failures."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import typer

from pixfoundation.cli.printing import notes

if TYPE_CHECKING:
    from pixfoundation.runs.completeness import Completeness

EXIT_CODE = 3
"""Exit code of a command whose output is of a run that lacks answers, or in which some failed."""


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
