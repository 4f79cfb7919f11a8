"""`pixfoundation heads`: in which layers and heads does a model look at the object?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from pixfoundation.cli.bundles import bundled
from pixfoundation.cli.completeness import exit_unless_sound
from pixfoundation.cli.figure_options import FigureOptions, figure_options
from pixfoundation.cli.options import (
    AS_JSON,
    DEVICE,
    DTYPE,
    MODEL_OPTION,
    MOVED_DATA,
    RUN_MODEL,
    model_recipe,
)
from pixfoundation.cli.printing import notes, output, print_json

if TYPE_CHECKING:
    from rich.table import Table

    from pixfoundation.where.head_results import HeadAnalysis


@bundled("figures", figure_options)
def heads_command(
    run: Path = typer.Argument(help="A run directory; its answers are looked at again."),
    model: str | None = RUN_MODEL,
    protocol: int = typer.Option(3, min=1, max=3, help="Protocol of the answers: 1 or 3."),
    limit: int | None = typer.Option(None, min=1, help="Look at the first N answers only."),
    choose: str = typer.Option(
        "labels",
        help="What chooses heads: 'labels' (the truth of one half of the pairs) or "
        "'localization' (mass and entropy, no labels).",
    ),
    top: int = typer.Option(10, min=1, help="Number of heads to choose."),
    draws: int = typer.Option(200, min=1, help="Number of shuffles of the images."),
    seed: int = typer.Option(2024, min=0, help="Seed of shuffles, halves and intervals."),
    *,
    figures: FigureOptions,
    data_root: Path | None = MOVED_DATA,
    device: str | None = DEVICE,
    dtype: str | None = DTYPE,
    model_option: list[str] | None = MODEL_OPTION,
    as_json: bool = AS_JSON,
) -> None:
    """Show which layers and heads look at the object, against shuffled images.

    Keep the attention of all heads in the run (heads/), and the chosen ones in heads.json, from
    which the reading localization-heads takes them. The same command continues where it stopped.

    Examples:
      pixfoundation heads runs/first --out figures

      pixfoundation heads runs/llava --choose localization --top 3 --json
    """
    from pixfoundation import api
    from pixfoundation.cli.progress import progress_bar
    from pixfoundation.runs.completeness import measure_completeness
    from pixfoundation.runs.run_records import RunRecords
    from pixfoundation.runs.store import RunDirectory
    from pixfoundation.where.head_capture import collect_heads
    from pixfoundation.where.heads import analyse_heads, keep_choice

    if protocol == 2:
        raise typer.BadParameter("an answer to protocol 2 is a letter; choose 1 or 3.")
    if choose not in ("labels", "localization"):
        raise typer.BadParameter(f"--choose is 'labels' or 'localization', not {choose!r}.")
    directory = RunDirectory(run, data_root)
    loaded = model_recipe(directory, model, device, dtype, model_option).make(api.load_model)
    asked = protocol
    with progress_bar("heads") as on_progress:
        collect_heads(
            directory,
            loaded,
            protocol=asked,  # type: ignore[arg-type] - the option's bounds say so
            limit=limit,
            on_progress=on_progress,
        )
    analysis = analyse_heads(
        directory,
        protocol=asked,  # type: ignore[arg-type] - the option's bounds say so
        criterion=choose,
        top=top,
        draws=draws,
        seed=seed,
    )
    path = keep_choice(directory, analysis)
    notes().print(f"The chosen heads are in {path}")
    if figures.out is not None:
        from pixfoundation.report.head_figures import write_head_figures

        paths = write_head_figures(analysis, figures.out, figures.style)
        notes().print(f"{len(paths)} figures in {figures.out.resolve()}")
    if as_json:
        print_json(analysis.to_json())
    else:
        output().print_table(_table(analysis))
        output().print_prose(_prose(analysis))
    exit_unless_sound([(directory.name, measure_completeness(RunRecords.of(directory)))])


def _table(analysis: HeadAnalysis) -> Table:
    from rich.table import Table

    title = f"{analysis.run}, protocol {analysis.protocol}, {len(analysis.samples)} answers"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    table.add_column("layer.head", no_wrap=True)
    for name in ("peak in\nmask, %", "null", "p", "energy\nin mask, %", "null", "p"):
        table.add_column(name, justify="right")
    for layer, head in analysis.chosen:
        cells = [f"{layer}.{head}"]
        for grid in (analysis.hits, analysis.energy):
            cells += [f"{100 * each[layer, head]:.1f}" for each in (grid.value, grid.null)]
            cells.append(f"{grid.p[layer, head]:.3f}")
        table.add_row(*cells)
    return table


def _prose(analysis: HeadAnalysis) -> str:
    from pixfoundation.scoring.intervals import percent

    hits = analysis.layer_hits
    layer = int(hits.value[0].argmax())
    enough = "no number of heads" if analysis.enough is None else f"{analysis.enough} of the heads"
    text = (
        f"Chosen by {analysis.criterion} on {len(analysis.chosen_on)} of the answers; p is "
        f"corrected for all heads, by the highest of each of {analysis.draws} shuffles of the "
        "images. "
        f"On the other half of the pairs, the best head's peak is in the mask in "
        f"{percent(analysis.best['point_accuracy'])} %, that of the mean over all heads in "
        f"{percent(analysis.average['point_accuracy'])} %; {enough} reach the latter. The "
        f"best layer is {layer} with {100 * hits.value[0, layer]:.1f} % (shuffled images: "
        f"{100 * hits.null[0, layer]:.1f} %, p = {hits.p[0, layer]:.3f})."
    )
    for name, each in analysis.correctness.items():
        if each["p"] is not None:
            text += (
                f" {name.capitalize()}: right answers {100 * float(each['right'] or 0):.1f} % "
                f"(n = {each['n_right']}), wrong ones {100 * float(each['wrong'] or 0):.1f} % "
                f"(n = {each['n_wrong']}), p = {each['p']:.3f} (Holm)."
            )
    return text
