"""`pixfoundation ground`: one image and one expression, without a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from pixfoundation.cli.bundles import bundled
from pixfoundation.cli.completion import selector_names
from pixfoundation.cli.conventions import CONVENTIONS, PUBLISHED, choose_conventions
from pixfoundation.cli.judging import MODEL_FOR_SELECTOR, JudgeOptions, judge_options
from pixfoundation.cli.options import (
    DEVICE,
    DTYPE,
    GROUNDER,
    GROUNDER_OPTION,
    MODEL,
    MODEL_OPTION,
    SEGMENTER,
    given,
    parse_options,
)
from pixfoundation.cli.printing import notes, output, print_json, spanned
from pixfoundation.errors import RunError
from pixfoundation.existence import exists, isdir

if TYPE_CHECKING:
    from pixfoundation.single_image import GroundingResult


@bundled("judge", judge_options, {"judge_model": MODEL_FOR_SELECTOR})
def ground_command(
    judge: JudgeOptions,
    image: Path = typer.Argument(help="Any image file; EXIF rotation is applied."),
    expression: str = typer.Argument(help="What to find, in words."),
    model: str = MODEL,
    segmenter: str | None = SEGMENTER,
    grounder: str | None = GROUNDER,
    grounder_option: list[str] | None = GROUNDER_OPTION,
    selector: str = typer.Option(
        "similarity",
        help="What picks the mask: similarity, score, union or judge.",
        autocompletion=selector_names,
    ),
    prompt: str | None = typer.Option(
        None, help="Prompt to use instead of the model's own for protocol 3."
    ),
    fill: bool = typer.Option(
        False, "--fill", help="Tint the masks in the grid, which are outlined otherwise."
    ),
    published: bool = PUBLISHED,
    conventions: Path | None = CONVENTIONS,
    out: Path = typer.Option(Path("grounded"), help="Folder for the pictures and the record."),
    as_json: bool = typer.Option(False, "--json", help="Print the record as JSON."),
    device: str | None = DEVICE,
    dtype: str | None = DTYPE,
    model_option: list[str] | None = MODEL_OPTION,
) -> None:
    """Ground an expression in one image: the answer, its noun phrases, and their masks.

    Write the grid (one row per phrase), the strip (one attention map per token), both as PNG and
    PDF, and result.json into --out.

    Examples:
      pixfoundation ground kittens.jpg "the closed kitten's eyes"

      pixfoundation ground street.jpg "the red car" --model llava-1.5-7b --segmenter sam-vit-h

      pixfoundation ground street.jpg "the red car" --selector judge --judge-model gpt-4o
    """
    from pixfoundation import api

    segmenter_name = segmenter or api.default_segmenter(model)
    api.check_packages(model, segmenter_name, grounder)
    from pixfoundation.cli.licence import show_licence
    from pixfoundation.report.grid import draw_grid, save_grid
    from pixfoundation.report.strip import SIDE, attention_strip, token_heat
    from pixfoundation.runs.jsonl import write_json

    if (selector == "judge") != (judge.model is not None):
        raise typer.BadParameter("--selector judge and --judge-model go together.")
    picker = judge.load() if judge.model is not None else None
    if exists(out) and not isdir(out):
        raise RunError(f"{out} is a file: name a folder with --out.")
    options = {**given(device=device, dtype=dtype), **parse_options(model_option)}
    grounder_options = parse_options(grounder_option)
    api.check_names(
        model,
        None,
        segmenter_name,
        model_options=options,
        grounder=grounder,
        grounder_options=grounder_options,
    )
    show_licence(model)
    result = api.ground(
        image,
        expression,
        model,
        segmenter,
        grounder=grounder,
        grounder_options=grounder_options,
        selector=selector,
        judge=picker,
        prompt=prompt,
        conventions=choose_conventions(published, conventions),
        model_options=options,
    )
    plots = {"grid": draw_grid(result.grounded, result.selection, fill=fill)}
    if result.grounded.answer.trace is not None and result.grounded.answer.token_ids:
        heat = token_heat(result.grounded, result.grounder, SIDE)
        plots["strip"] = attention_strip(result.grounded, heat)
    for name, plot in plots.items():
        for kind in ("png", "pdf"):
            save_grid(plot, out / f"{name}.{kind}")
    record = result.to_json()
    write_json(out / "result.json", record)
    if as_json:
        print_json(record)
        return
    _print(result)
    notes().print(f"The picture: {(out / 'grid.png').resolve()}")


def _print(result: GroundingResult) -> None:
    from rich.table import Table

    from pixfoundation.grounding.colours import phrase_colour

    console = output()
    grounded, selection = result.grounded, result.selection
    phrases = enumerate(grounded.phrases)
    console.print(grounded.prompt.text, style="dim")
    console.print(
        spanned(grounded.answer.text, [(p.span, f"bold {phrase_colour(i)}") for i, p in phrases])
    )
    table = Table(box=None, pad_edge=False)
    for column in ("phrase", "mask", "point", "score", "area", ""):
        table.add_column(column, justify="left" if column in ("phrase", "") else "right")
    for index, candidate in enumerate(grounded.candidates):
        point = candidate.point
        table.add_row(
            candidate.phrase.text if candidate.phrase else "(the model's own)",
            str(candidate.index + 1),
            f"{point[0]:.0f}, {point[1]:.0f}" if point else "",
            f"{candidate.score:.2f}" if candidate.score is not None else "",
            f"{100 * candidate.mask.area / (grounded.image.width * grounded.image.height):.1f} %",
            "picked" if index == selection.candidate else "",
        )
    console.print_table(table)
    if result.vectors is not None:
        console.print(f"Phrase similarity by {result.vectors}.", style="dim")
    if result.explanation is not None:
        console.print(result.explanation, style="yellow")
