"""Options that `score`, `compare` and `table` share: which rules the numbers follow."""

from __future__ import annotations

import typer

RUN = typer.Argument(help="A run directory.")
PARSER = typer.Option(
    None, help="Reads option letters: tolerant (default), published, published-cvbench."
)
JUDGE = typer.Option(None, help="Whose verdicts count; 'rules' to grade by rules.")
EMPTY = typer.Option(
    None, help="Images without ground truth: one (default; an empty mask is right) or skip."
)
NATIVE = typer.Option(None, help="Which native masks count: union (default; all of them) or first.")
VECTORS = typer.Option(None, help="Phrase vectors: en_core_web_lg or wordllama.")
SEED = typer.Option(2024, help="Of the bootstrap draws.")


def parse_names(text: str | None) -> list[str] | None:
    """Read names separated by commas; None if the option was not given."""
    return [name.strip() for name in text.split(",")] if text else None
