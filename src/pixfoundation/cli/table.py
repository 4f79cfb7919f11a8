"""`pixfoundation table`: the published table's layout over several run directories."""

from __future__ import annotations

from pathlib import Path

import typer

from pixfoundation.cli.conventions import CONVENTIONS, PUBLISHED, choose_conventions
from pixfoundation.cli.scoring_options import (
    EMPTY,
    JUDGE,
    NATIVE,
    PARSER,
    VECTORS,
    parse_names,
)


def table_command(
    runs: list[Path] = typer.Argument(help="Run directories of one data set."),
    format: str = typer.Option("markdown", help="markdown, latex or csv."),
    published_rows: bool = typer.Option(False, help="Set the published rows beside."),
    intervals: bool = typer.Option(False, help="Print 95 % intervals."),
    selectors: str | None = typer.Option(
        None, help="Which selectors get a line, by commas. Default: the leading one and the oracle."
    ),
    published: bool = PUBLISHED,
    conventions: Path | None = CONVENTIONS,
    parser: str | None = PARSER,
    judge: str | None = JUDGE,
    empty: str | None = EMPTY,
    native: str | None = NATIVE,
    vectors: str | None = VECTORS,
) -> None:
    """Print the published table's layout: PixGr., A†, A, M†, M, S.

    Examples:
      pixfoundation table runs/llava-7b runs/lisa --published-rows

      pixfoundation table runs/llava-7b --format latex --intervals > table.tex
    """
    from pixfoundation.report.tables import render_table
    from pixfoundation.scoring.score import score

    wanted = parse_names(selectors)
    scored = [
        score(
            run,
            selectors=wanted,
            parser=parser,
            judge=judge,
            empty=empty,
            native=native,
            conventions=choose_conventions(published, conventions),
            vectors=vectors,
        )
        for run in runs
    ]
    text = render_table(
        scored,
        format,  # type: ignore[arg-type] - `render_table` refuses what it does not know
        published_rows=published_rows,
        selectors=wanted,
        intervals=intervals,
    )
    print(text, end="")
