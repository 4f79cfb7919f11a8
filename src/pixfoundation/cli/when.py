"""`pixfoundation when`: where in the answers, and with which concept, grounding emerges."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from pixfoundation.emergence.when import Emergence


def when_command(
    runs: list[Path] = typer.Argument(help="One run directory, or several to compare."),
    protocol: int = typer.Option(3, min=1, max=3, help="Of the answers."),
    published: bool = typer.Option(False, help="The published script's rules, ties included."),
    judge: str | None = typer.Option(None, help="Whose concept labels; 'rules' for the rules."),
    out: Path | None = typer.Option(None, help="Write the figures (PNG and PDF) into this folder."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON and nothing else."),
    draws: int = typer.Option(2000, min=1, help="How often chance is drawn."),
    seed: int = typer.Option(2024, help="Of the draws."),
) -> None:
    """Show when grounding emerges: place and concept of the best masks, beside what chance gives.

    Examples:
      pixfoundation when runs/llava --out figures

      pixfoundation when runs/llava runs/cambrian --json
    """
    from pixfoundation.emergence.when import analyse
    from pixfoundation.runs.store import RunDirectory

    found = [
        analyse(
            RunDirectory(run),
            protocol=protocol,  # type: ignore[arg-type] - the option's bounds say so
            published=published,
            judge=judge,
            draws=draws,
            seed=seed,
        )
        for run in runs
    ]
    if out is not None:
        from pixfoundation.report.emergence_figures import write_figures

        paths = write_figures(found, out)
        Console(stderr=True).print(f"{len(paths)} figures in {out.resolve()}", soft_wrap=True)
    if as_json:
        data = [each.to_json() for each in found]
        print(json.dumps(data[0] if len(data) == 1 else data, indent=2, ensure_ascii=False))
        return
    for each in found:
        _print(each, Console())


def _print(found: Emergence, console: Console) -> None:
    console.print(f"[bold]{found.name}[/bold], protocol {found.protocol}")
    where = Table("place in the answer", box=None, pad_edge=False)
    for bin_ in range(len(found.bins)):
        where.add_column(f"{10 * bin_} %", justify="right")
    where.add_row("best phrases", *(str(count) for count in found.bins))
    for band in found.bands:
        spans = (f"{low:.0f}-{high:.0f}" for low, high in zip(band.low, band.high, strict=True))
        where.add_row(f"chance: {band.name}", *spans, style="dim")
    console.print(where)
    console.print(
        f"n = {found.bins.sum()}; against uniform picks among the phrases of each answer "
        f"p = {found.location_p:.4f} (two-sided). Without any overlap: {found.without_overlap}; "
        f"without phrases: {found.without_candidates}.",
        highlight=False,
    )
    concepts = Table("concept", "best phrases", "p", box=None, pad_edge=False)
    for name, count in found.concepts.items():
        concepts.add_row(name, str(count), f"{found.concept_p[name]:.4f}")
    console.print(concepts)
    label = f"Labelled by {found.labelled_by}."
    if found.agreement is not None:
        label += f" Rules and judge agree on {100 * found.agreement:.0f} %."
    console.print(label)
    hits = found.hits
    console.print(
        f"The best phrase is the referring expression itself in {_percent(found.coincides)}. "
        f"Point in the mask: best phrase {_percent(hits['best_phrase'])}, all phrases "
        f"{_percent(hits['all_phrases'])}, random points {_percent(hits['random_points'])}.",
        highlight=False,
    )
    if found.deletion:
        deletion = found.deletion
        console.print(
            f"The answer changes in {_percent(deletion['deleted'])} when the place that the best "
            f"phrase attends to is covered, in {_percent(deletion['control'])} when another is; "
            f"difference {_percent(deletion['difference'])} (n = {deletion['difference'].n}).",
            highlight=False,
        )


def _percent(figure: object) -> str:
    from pixfoundation.report.page import percent

    return f"{percent(figure)} %"  # type: ignore[arg-type] - a Figure
