"""`--published` and `--conventions`: the rules of every command that computes numbers."""

from __future__ import annotations

from pathlib import Path

import typer

from pixfoundation.conventions import DEFAULT, Conventions
from pixfoundation.conventions import PUBLISHED as PUBLISHED_RULES

PUBLISHED = typer.Option(
    False, help="Follow the published code in every rule instead of the default."
)
CONVENTIONS = typer.Option(
    None,
    metavar="FILE",
    help="A TOML file that sets single rules, on top of the default or of --published.",
)


def choose_conventions(published: bool, file: Path | None) -> Conventions:
    """Return the rules that the two options name.

    Raises:
        DataError: If the file cannot be read, or has an unknown rule or value.
    """
    base = PUBLISHED_RULES if published else DEFAULT
    return base if file is None else Conventions.load(file, base)
