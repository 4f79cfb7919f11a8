"""`pixfoundation controls`: the whole pipeline of a run again, with what it needs taken away."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from pixfoundation.cli.analysis import show_analysis
from pixfoundation.cli.bundles import bundled
from pixfoundation.cli.causes import HOLM, LIMIT, SEED, SHOW
from pixfoundation.cli.completeness import exit_unless_directories_sound
from pixfoundation.cli.completion import segmenter_names
from pixfoundation.cli.engine_options import EngineOptions, engine_options
from pixfoundation.cli.figure_options import FigureOptions, figure_options
from pixfoundation.cli.options import (
    AS_JSON,
    DEVICE,
    DTYPE,
    MODEL_OPTION,
    MOVED_DATA,
    RUN_MODEL,
    given,
    model_recipe,
    parse_options,
)
from pixfoundation.cli.printing import emphasised, notes, output

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from pixfoundation.causes.effects import Effect
    from pixfoundation.causes.levels import Levels
    from pixfoundation.cli.printer import Printer
    from pixfoundation.report.figure_style import FigureStyle
    from pixfoundation.scoring.intervals import Estimate
    from pixfoundation.types import Protocol


@bundled("figures", figure_options)
@bundled("engine", engine_options)
def controls_command(
    engine: EngineOptions,
    run: Path = typer.Argument(help="A run directory."),
    kinds: str | None = typer.Option(
        None,
        help="The controls, by commas: random-weights, cascade, blank, other-image, "
        "shuffled-patches. Default: all that the samples allow.",
    ),
    levels: int = typer.Option(3, min=1, help="Number of levels of the cascade."),
    protocols: str | None = typer.Option(
        None,
        help="Protocols to ask, by commas. Default: 2 and 3, as far as the run has them, and 1 in "
        "the place of 3 where the samples have no referring expression.",
    ),
    read_answers: bool = typer.Option(
        False,
        "--read-answers",
        help="Let the model read the answers of the run instead of writing its own, so that the "
        "phrases stay the same.",
    ),
    limit: int | None = LIMIT,
    batch_size: int = typer.Option(1, min=1, help="Samples per batch."),
    model: str | None = RUN_MODEL,
    segmenter: str | None = typer.Option(
        None,
        help="The run's segmenter. Default: the name in the run's record.",
        autocompletion=segmenter_names,
    ),
    segmenter_option: list[str] | None = typer.Option(
        None, metavar="KEY=VALUE", help="Further option of the segmenter; repeatable."
    ),
    seed: int = SEED,
    show: bool = SHOW,
    *,
    figures: FigureOptions,
    as_json: bool = AS_JSON,
    data_root: Path | None = MOVED_DATA,
    device: str | None = DEVICE,
    dtype: str | None = DTYPE,
    model_option: list[str] | None = MODEL_OPTION,
) -> None:
    """Run the whole pipeline under controls: random weights, a blank or another image, shuffled.

    Each control is a run of its own in the folder controls of the run; the same command continues
    where it stopped. The segmenter and the scores keep the real image.

    Examples:
      pixfoundation controls runs/first --limit 50 --out figures

      pixfoundation controls runs/first --kinds blank,other-image --read-answers

      pixfoundation controls runs/first --protocols 1

      pixfoundation controls runs/llava --engine ray --workers 4

      pixfoundation controls runs/first --show --json
    """
    from pixfoundation import api
    from pixfoundation.causes.levels import control_runs, measure_levels
    from pixfoundation.cli.causes import chosen_values
    from pixfoundation.cli.options import parse_protocols
    from pixfoundation.cli.progress import progress_bar
    from pixfoundation.controls.collect import ControlOptions, run_controls
    from pixfoundation.controls.kinds import ControlKind, fitting_kinds
    from pixfoundation.runs.store import RunDirectory

    directory = RunDirectory(run, data_root)
    asked = None if protocols is None else parse_protocols(protocols)
    if not show:
        chosen = fitting_kinds(list(directory.samples.values())[:limit])
        if kinds is not None:
            chosen = chosen_values(kinds, ControlKind, "--kinds")
        elif ControlKind.OTHER_IMAGE not in chosen:
            notes().print("The control other-image is left out: no two samples form a pair.")
        options = ControlOptions(
            kinds=chosen,
            levels=levels,
            protocols=asked,
            limit=limit,
            batch_size=batch_size,
            read_answers=read_answers,
            seed=seed,
        )
        recorded = directory.config.segmenter
        name = segmenter or (None if recorded is None else recorded.name)
        where = given(device=device, **parse_options(segmenter_option))
        drawn = None if name is None else api.Recipe(name, where)
        recipe = model_recipe(directory, model, device, dtype, model_option)
        with ExitStack() as stack:
            run_controls(
                directory,
                recipe,
                drawn,
                options,
                on_start=lambda name: stack.enter_context(progress_bar(name)),
                engine=engine.load(),
            )
    measured = measure_levels(directory, protocol=_with_phrases(asked))

    def draw(style: FigureStyle) -> dict[str, Figure]:
        from pixfoundation.report.cause_figures import control_figure

        return {"controls": control_figure(measured, style)}

    show_analysis(
        measured,
        draw=draw,
        tables=lambda: _print(measured, output()),
        figures=figures,
        as_json=as_json,
    )
    exit_unless_directories_sound([directory, *control_runs(directory).values()])


def _with_phrases(asked: Sequence[Protocol] | None) -> Protocol | None:
    """Return which of the protocols that were chosen has phrases; None to leave it open."""
    return next((p for p in (3, 1) if p in (asked or ())), None)


def _print(measured: Levels, console: Printer) -> None:
    from pixfoundation.causes.levels import MEASURES
    from pixfoundation.cli.score_tables import plain_table

    title = f" and its controls, protocol {measured.protocol}"
    console.print(emphasised((measured.name, "bold"), title))
    table = plain_table("%, [95 % interval]")
    table.add_column("control", no_wrap=True)
    for measure in MEASURES:
        table.add_column(measure, justify="right", no_wrap=True)
    for level in measured.levels:
        table.add_row(level.name, *(_percent(level.measures[name]) for name in MEASURES))
    console.print_table(table)
    table = plain_table("run minus control, % [95 % interval], p (Holm)")
    table.add_column("control", no_wrap=True)
    for measure in MEASURES:
        table.add_column(measure, justify="right", no_wrap=True)
    tests = 0
    for level in measured.levels[1:]:
        cells = [_effect(level.effects.get(name)) for name in MEASURES]
        tests = next((each.family for each in level.effects.values()), tests)
        table.add_row(level.name, *cells)
    console.print_table(table)
    console.print_prose(
        "; ".join(f"{name}: {meaning}" for name, meaning in MEASURES.items())
        + ". "
        + HOLM.format(tests),
        style="dim",
    )


def _percent(estimate: Estimate) -> str:
    from pixfoundation.report.page import percent

    return percent(estimate)


def _effect(effect: Effect | None) -> str:
    from pixfoundation.report.page import percent

    return "-" if effect is None else f"{percent(effect.estimate)}, {effect.p_holm:.4f}"
