"""`pixfoundation emergence`: where in the answers, and with which concept, grounding emerges."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from pixfoundation.cli.bundles import bundled
from pixfoundation.cli.completeness import exit_unless_sound
from pixfoundation.cli.conventions import CONVENTIONS, PUBLISHED, choose_conventions
from pixfoundation.cli.figure_options import FigureOptions, figure_options
from pixfoundation.cli.options import AS_JSON
from pixfoundation.cli.place_by_layer import picture_table, write_pictures
from pixfoundation.cli.printing import emphasised, notes, output, print_json
from pixfoundation.wording import counted

if TYPE_CHECKING:
    from rich.table import Table

    from pixfoundation.cli.printer import Printer
    from pixfoundation.emergence.analysis import Emergence
    from pixfoundation.emergence.labels import ConceptLabels
    from pixfoundation.emergence.nulls import ChanceBand
    from pixfoundation.scoring.intervals import Estimate


@bundled("figures", figure_options)
def emergence_command(
    runs: list[Path] = typer.Argument(help="One run directory, or several to compare."),
    protocol: int = typer.Option(3, min=1, max=3, help="Protocol of the answers to analyse."),
    published: bool = PUBLISHED,
    conventions: Path | None = CONVENTIONS,
    judge: str | None = typer.Option(
        None,
        help="Judge whose concept labels are used; 'rules' for those by rules.",
    ),
    thoughts: bool = typer.Option(
        False,
        "--thoughts",
        help="Count places from the beginning of the model's thoughts, not of its answer.",
    ),
    *,
    figures: FigureOptions,
    as_json: bool = AS_JSON,
    draws: int = typer.Option(2000, min=1, help="Number of random draws per chance level."),
    seed: int = typer.Option(2024, min=0, help="Seed of the random draws."),
) -> None:
    """Show when grounding emerges: place and concept of the best masks, compared with chance.

    Examples:
      pixfoundation emergence runs/llava --out figures

      pixfoundation emergence runs/llava --out figures --width column --figure-format pdf

      pixfoundation emergence runs/llava runs/cambrian --json
    """
    from pixfoundation.emergence.analysis import analyse
    from pixfoundation.runs.completeness import measure_completeness
    from pixfoundation.runs.names import run_names
    from pixfoundation.runs.run_records import RunRecords
    from pixfoundation.where.heads import place_by_layer

    rules = choose_conventions(published, conventions).emergence
    records = [RunRecords.of(run) for run in runs]
    names = run_names([each.run for each in records])
    analyses = [
        analyse(
            run,
            protocol=protocol,  # type: ignore[arg-type] - the option's bounds say so
            conventions=rules,
            judge=judge,
            draws=draws,
            seed=seed,
            name=name,
            thoughts=thoughts,
        )
        for run, name in zip(records, names, strict=True)
    ]
    pictures = [
        place_by_layer(each.run, protocol)  # type: ignore[arg-type] - the option's bounds say so
        for each in records
    ]
    if (out := figures.out) is not None:
        from pixfoundation.report.emergence_figures import write_figures

        paths = write_figures(analyses, out, figures.style)
        paths += write_pictures(list(zip(names, pictures, strict=True)), out, figures.style)
        notes().print(f"{counted(len(paths), 'figure')} in {out.resolve()}")
    if as_json:
        data = [
            each.to_json() | ({} if picture is None else {"place_by_layer": picture})
            for each, picture in zip(analyses, pictures, strict=True)
        ]
        print_json(data[0] if len(data) == 1 else data)
    else:
        for each, picture in zip(analyses, pictures, strict=True):
            _print(each, output())
            if picture is not None:
                output().print_table(picture_table(picture))
    exit_unless_sound(zip(names, map(measure_completeness, records), strict=True))


def _print(analysis: Emergence, console: Printer) -> None:
    console.print(emphasised((analysis.name, "bold"), f", protocol {analysis.protocol}"))
    console.print_table(_location(analysis))
    console.print_prose(
        f"n = {analysis.bins.sum()}; against masks shuffled among the phrases of each answer: "
        f"mean place p = {analysis.location_p:.4f}, whole histogram p = {analysis.shape_p:.4f}; "
        f"adjusted for both by Holm's method: {_both(analysis)}. "
        f"Without any overlap: {analysis.without_overlap}; "
        f"without phrases: {analysis.without_candidates}."
    )
    console.print_table(_concepts(analysis))
    console.print_prose(_labels(analysis.labels, len(analysis.answers)))
    hits = analysis.hits
    chance = ", ".join(f"{null.name} {100 * null.coincides:.1f} %" for null in analysis.nulls)
    named = ""
    if analysis.coincides.value is not None:
        named = (
            "The best phrase is the referring expression itself in "
            f"{_percent(analysis.coincides)} (chance: {chance}); it has the expression's head word "
            f"in {_percent(analysis.coincides_by_head)}. "
        )
    console.print_prose(
        f"{named}Point in the mask: best phrase {_percent(hits['best_phrase'])}, all phrases "
        f"{_percent(hits['all_phrases'])}, random points {_percent(hits['random_points'])}."
    )
    if analysis.deletion:
        deletion = analysis.deletion
        console.print_prose(
            f"The answer changes in {_percent(deletion['deleted'])} when the place that the best "
            f"phrase attends to is covered, in {_percent(deletion['control'])} when another is; "
            f"difference {_percent(deletion['difference'])} (n = {deletion['difference'].n})."
        )


def _both(analysis: Emergence) -> str:
    from pixfoundation.scoring.multiple_tests import holm

    return " and ".join(f"{p:.4f}" for p in holm([analysis.location_p, analysis.shape_p]))


def _location(analysis: Emergence) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("place in answer, %", no_wrap=True)
    for bin_ in range(len(analysis.bins)):
        table.add_column(f"{10 * bin_}-", justify="right")
    table.add_row("best phrases", *(str(count) for count in analysis.bins))
    for null in analysis.nulls:
        table.add_row(f"chance: {null.name}", *_spans(null.location), style="dim")
    return table


def _concepts(analysis: Emergence) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column("concept", no_wrap=True)
    table.add_column("best phrases", justify="right")
    for null in analysis.nulls:
        table.add_column(f"chance:\n{null.name}", justify="right", style="dim")
    table.add_column("p (Holm)", justify="right")
    chance = [_spans(null.concept) for null in analysis.nulls]
    for row, (name, count) in enumerate(analysis.concepts.items()):
        spans = (column[row] for column in chance)
        table.add_row(name, str(count), *spans, f"{analysis.concept_p[name]:.4f}")
    return table


def _spans(band: ChanceBand) -> list[str]:
    return [f"{low:.0f}-{high:.0f}" for low, high in zip(band.low, band.high, strict=True)]


def _labels(labels: ConceptLabels, phrases: int) -> str:
    text = f"Labelled by {labels.author}: {labels.n_labelled} of {phrases}."
    if labels.author != "rules":
        text += " Chance and p are by the rules' labels."
    if labels.agreement is not None:
        text += (
            f" Rules and {labels.judge} agree on {100 * labels.agreement:.0f} % "
            f"of {labels.n_compared}."
        )
    return text


def _percent(figure: Estimate) -> str:
    from pixfoundation.report.page import percent

    return f"{percent(figure)} %"
