"""`pixfoundation claims`: what the numbers of a run support, refute or leave open."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from pixfoundation.cli.causes import PROTOCOL
from pixfoundation.cli.completeness import exit_unless_directories_sound
from pixfoundation.cli.options import AS_JSON
from pixfoundation.cli.printing import emphasised, output, print_json, print_text

if TYPE_CHECKING:
    from pixfoundation.causes.claims import Claims
    from pixfoundation.cli.printer import Printer


def claims_command(
    run: Path = typer.Argument(help="A run directory with phrases."),
    protocol: int = PROTOCOL,
    margin: float = typer.Option(
        0.05, help="Smallest difference of shares and places that matters, from 0 to 1."
    ),
    nats: float = typer.Option(0.1, help="Smallest difference of log-probabilities that matters."),
    draws: int = typer.Option(2000, min=1, help="Draws of the permutation test of the place."),
    seed: int = typer.Option(2024, min=0, help="Seed of the random draws."),
    markdown: bool = typer.Option(False, "--markdown", help="Print the table in Markdown."),
    as_json: bool = AS_JSON,
) -> None:
    """Judge claims about a run: the best phrase is late, attention finds the object, it is used.

    Everything that was measured of the run counts: its phrases, `controls`, `knockout`, `curves`
    and `deletion`. No model is loaded.

    Examples:
      pixfoundation claims runs/first

      pixfoundation claims runs/first --margin 0.02 --markdown > verdict.md

      pixfoundation claims runs/first --json
    """
    from pixfoundation.causes.claims import Margins, judge_claims
    from pixfoundation.report import claim_table
    from pixfoundation.runs.store import RunDirectory

    if not margin > 0:
        raise typer.BadParameter(f"must be above 0, but got {margin}.", param_hint="'--margin'")
    directory = RunDirectory(run)
    claims = judge_claims(
        directory,
        protocol=protocol,  # type: ignore[arg-type] - the option's bounds say so
        margins=Margins(margin, nats),
        draws=draws,
        seed=seed,
    )
    if as_json:
        print_json(claims.to_json())
    elif markdown:
        print_text(claim_table.markdown(claims))
    else:
        _print(claims, output())
    exit_unless_directories_sound([directory])


def _print(claims: Claims, console: Printer) -> None:
    from pixfoundation.cli.score_tables import plain_table
    from pixfoundation.report import claim_table

    console.print(emphasised((claims.name, "bold"), f", protocol {claims.protocol}"))
    table = plain_table("claims")
    for number, column in enumerate(claim_table.HEADER[:-1]):
        table.add_column(column, justify="right" if number > 1 else "left")
    for row in claim_table.claim_rows(claims):
        table.add_row(*row[:-1])
    console.print_table(table)
    for claim in claims.claims:
        console.print_prose(f"{claim.claim}: {claim.sentence}")
    console.print_prose(claim_table.claim_note(claims), style="dim")
