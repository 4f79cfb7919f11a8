"""`pixfoundation curves` and `pixfoundation knockout`: does the answer use the attended place?"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from pixfoundation.cli.analysis import show_analysis
from pixfoundation.cli.bundles import bundled
from pixfoundation.cli.completeness import EXIT_CODE, exit_unless_directories_sound
from pixfoundation.cli.engine_options import EngineOptions, engine_options
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
from pixfoundation.cli.printing import emphasised, notes, output

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from pixfoundation.causes.curve_analysis import Curves
    from pixfoundation.causes.effects import Effect
    from pixfoundation.causes.knockout_analysis import Knockout
    from pixfoundation.causes.records import CurveSettings, KnockoutSettings
    from pixfoundation.cli.printer import Printer
    from pixfoundation.report.figure_style import FigureStyle
    from pixfoundation.runs.store import RunDirectory
    from pixfoundation.scoring.intervals import Estimate

Choice = TypeVar("Choice", bound=StrEnum)

RUN = typer.Argument(help="A run directory, grounded by attend-and-segment.")
LIMIT = typer.Option(None, min=1, help="Measure the first N samples only.")
PROTOCOL = typer.Option(3, min=1, max=3, help="Protocol of the answer with the phrase.")
ANSWER_PROTOCOL = typer.Option(
    2, min=1, max=3, help="Protocol of the answer whose probability is measured."
)
SEED = typer.Option(2024, min=0, help="Seed of what is random.")
SHOW = typer.Option(False, "--show", help="Show what the run holds; load no model.")
HOLM = (
    "Intervals: 95 % over pairs. p: sign test by pair, adjusted by Holm's method for the {} tests "
    "of this table."
)


@bundled("figures", figure_options)
@bundled("engine", engine_options)
def curves_command(
    engine: EngineOptions,
    run: Path = RUN,
    model: str | None = RUN_MODEL,
    limit: int | None = LIMIT,
    fill: str = typer.Option(
        "blur,mean,inpaint", help="What removed parts are filled with, by commas."
    ),
    shape: str = typer.Option(
        "map", help="map: by the height of the phrase's map; box: the deletion test's box."
    ),
    shares: str = typer.Option(
        "0.05,0.1,0.2,0.4,0.7", help="Shares of the image's area that are removed, by commas."
    ),
    draws: int = typer.Option(8, min=1, help="Number of random regions per share."),
    protocol: int = PROTOCOL,
    answer_protocol: int = ANSWER_PROTOCOL,
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
    """Remove the image part by part in the order of a phrase's map: insertion and deletion curves.

    After each step the probability of the run's answer is measured, and compared with random
    regions of equal area and shape. The lines are written into curves.jsonl; the same command
    continues where it stopped.

    Examples:
      pixfoundation curves runs/first --limit 50 --out figures

      pixfoundation curves runs/first --fill mean --shape box --shares 0.1

      pixfoundation curves runs/llava --engine ray --workers 4

      pixfoundation curves runs/first --show --json
    """
    from pixfoundation.causes.curve_analysis import analyse_curves
    from pixfoundation.causes.curves import CurveOptions, collect_curves
    from pixfoundation.causes.fills import Fill
    from pixfoundation.causes.regions import Shape
    from pixfoundation.cli.progress import progress_bar
    from pixfoundation.runs.store import RunDirectory

    directory = RunDirectory(run, data_root)
    failed = 0
    shown: Any = None if show else protocol  # of what is there, the last is shown
    if not show:
        options = CurveOptions(
            fills=chosen_values(fill, Fill, "--fill"),
            shape=chosen_values(shape, Shape, "--shape")[0],
            shares=_numbers(shares, "--shares"),
            draws=draws,
            protocol=protocol,  # type: ignore[arg-type] - the option's bounds say so
            answer_protocol=answer_protocol,  # type: ignore[arg-type]
            seed=seed,
        )
        recipe = model_recipe(directory, model, device, dtype, model_option)
        with progress_bar("removing") as on_progress:
            failed = collect_curves(
                directory,
                recipe,
                options,
                limit=limit,
                on_progress=on_progress,
                engine=engine.load(),
            )
    analysis = analyse_curves(directory, protocol=shown)

    def draw(style: FigureStyle) -> dict[str, Figure]:
        from pixfoundation.report.cause_figures import curve_figure

        return {"curves": curve_figure(analysis, _deletion(directory), style)}

    show_analysis(
        analysis,
        draw=draw,
        tables=lambda: _print_curves(analysis, output()),
        figures=figures,
        as_json=as_json,
    )
    _exit_unless_sound(directory, failed)


@bundled("figures", figure_options)
@bundled("engine", engine_options)
def knockout_command(
    engine: EngineOptions,
    run: Path = RUN,
    model: str | None = RUN_MODEL,
    limit: int | None = LIMIT,
    share: float = typer.Option(0.1, help="Share of the image's cells that are blocked."),
    window: int | None = typer.Option(
        None, min=0, help="Layers per window; 0 for all layers only. Default: 9 of 32."
    ),
    draws: int = typer.Option(8, min=1, help="Number of random sets of columns of either kind."),
    protocol: int = PROTOCOL,
    answer_protocol: int = ANSWER_PROTOCOL,
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
    """Block the attention of the text to the attended place, and score the answer again.

    It is compared with as many columns elsewhere and with those inside the ground truth, in all
    layers and in windows of layers. The lines are written into knockouts.jsonl; the same command
    continues where it stopped.

    Examples:
      pixfoundation knockout runs/first --limit 50 --out figures

      pixfoundation knockout runs/first --share 0.05 --window 0

      pixfoundation knockout runs/llava --engine ray --workers 4

      pixfoundation knockout runs/first --show --json
    """
    from pixfoundation.causes.knockout_analysis import analyse_knockout
    from pixfoundation.causes.knockouts import KnockoutOptions, collect_knockouts
    from pixfoundation.cli.progress import progress_bar
    from pixfoundation.runs.store import RunDirectory

    directory = RunDirectory(run, data_root)
    failed = 0
    shown: Any = None if show else protocol  # of what is there, the last is shown
    if not show:
        options = KnockoutOptions(
            share=share,
            window=window,
            draws=draws,
            protocol=protocol,  # type: ignore[arg-type] - the option's bounds say so
            answer_protocol=answer_protocol,  # type: ignore[arg-type]
            seed=seed,
        )
        recipe = model_recipe(directory, model, device, dtype, model_option)
        with progress_bar("blocking") as on_progress:
            failed = collect_knockouts(
                directory,
                recipe,
                options,
                limit=limit,
                on_progress=on_progress,
                engine=engine.load(),
            )
    analysis = analyse_knockout(directory, protocol=shown)

    def draw(style: FigureStyle) -> dict[str, Figure]:
        from pixfoundation.report.cause_figures import knockout_figure

        return {"knockout": knockout_figure(analysis, style)}

    show_analysis(
        analysis,
        draw=draw,
        tables=lambda: _print_knockout(analysis, output()),
        figures=figures,
        as_json=as_json,
    )
    _exit_unless_sound(directory, failed)


def _exit_unless_sound(run: RunDirectory, failed: int) -> None:
    """Name what failed here, and what the run itself lacks; if there is anything, end."""
    from pixfoundation.wording import counted

    if failed:
        notes().print(
            f"{counted(failed, 'sample')} could not be measured, see run.log; the same command "
            "tries them again."
        )
    exit_unless_directories_sound([run])
    if failed:
        raise typer.Exit(EXIT_CODE)


def _print_title(
    console: Printer, name: str, settings: CurveSettings | KnockoutSettings, what: str
) -> None:
    console.print(
        emphasised(
            (name, "bold"),
            f", phrases of protocol {settings.protocol}, answers to protocol "
            f"{settings.answer_protocol}, {what}",
        )
    )


def _print_curves(curves: Curves, console: Printer) -> None:
    from pixfoundation.cli.score_tables import plain_table

    settings = curves.settings
    _print_title(console, curves.name, settings, f"regions by {settings.shape}")
    table = plain_table("area under the curve")
    table.add_column("fill", no_wrap=True)
    table.add_column("curve", no_wrap=True)
    for column in ("attended", "random", "difference", "d", "p (Holm)"):
        table.add_column(column, justify="right", no_wrap=True)
    for curve in curves.curves:
        table.add_row(
            curve.fill, curve.kind, _nats(curve.attended_area, bounds=False),
            _nats(curve.random_area, bounds=False), *_effect(curve.effect),
        )  # fmt: skip
    console.print_table(table)
    console.print_prose(
        f"n = {curves.samples}. Area under the log-probability of the answer, in nats, 0 for the "
        "whole image. A difference above 0: the attended region matters more than random ones. "
        + HOLM.format(len(curves.curves)),
        style="dim",
    )
    for curve in curves.curves:
        if curve.attended_kept:
            kept = ", ".join(
                f"{100 * share:g} %: {_share(own)} / {_share(other)}"
                for share, own, other in zip(
                    settings.shares, curve.attended_kept, curve.random_kept, strict=True
                )
            )
            console.print_prose(
                f"{curve.fill}: answers that greedy decoding would still give with that share of "
                f"the image removed, attended / random: {kept}."
            )
    if curves.not_greedy:
        console.print_prose(
            f"{curves.not_greedy} answers are not what greedy decoding gives about the whole image."
        )


def _print_knockout(knockout: Knockout, console: Printer) -> None:
    from pixfoundation.cli.score_tables import plain_table

    settings = knockout.settings
    _print_title(console, knockout.name, settings, f"{100 * settings.share:g} % of the columns")
    table = plain_table("loss of log-probability, nats")
    table.add_column("blocked in all layers", no_wrap=True)
    for column in ("loss", "interval"):
        table.add_column(column, justify="right", no_wrap=True)
    for name, loss in knockout.losses.items():
        table.add_row(name, *_nats(loss).split(" ", 1))
    console.print_table(table)
    table = plain_table("difference of losses")
    table.add_column("blocked", no_wrap=True)
    for column in ("layers", "nats", "d", "p (Holm)"):
        table.add_column(column, justify="right", no_wrap=True)
    for name, effect in knockout.effects.items():
        table.add_row(name, "all", *_effect(effect))
    for window in knockout.windows:
        span = f"{window.layers[0]}-{window.layers[-1]}"
        table.add_row("attended - shifted", span, *_effect(window.effect))
        table.add_row("truth - shifted", span, *_effect(window.truth_effect))
    console.print_table(table)
    tests = next(iter(knockout.effects.values())).family
    console.print_prose(
        f"n = {knockout.samples}; columns under the map {knockout.cells[0]:.1f}, in the ground "
        f"truth {knockout.cells[1]:.1f}, in the image {knockout.cells[2]:.1f}. A loss is what the "
        "log-probability of the answer loses, in nats. " + HOLM.format(tests),
        style="dim",
    )
    kept = ", ".join(f"{name} {_share(each)}" for name, each in knockout.kept.items())
    console.print_prose(f"Greedy decoding would still give the answer, by what is blocked: {kept}.")


def _deletion(run: RunDirectory) -> dict[str, Estimate]:
    from pixfoundation.emergence.deletion import deletion_test

    return dict(deletion_test(run))


def _effect(effect: Effect) -> tuple[str, str, str]:
    d = "-" if effect.d is None else f"{effect.d:.2f}"
    return _nats(effect.estimate), d, f"{effect.p_holm:.4f}"


def _nats(estimate: Estimate, *, bounds: bool = True) -> str:
    if estimate.value is None:
        return "- "
    interval = estimate.interval if bounds else None
    text = f"{estimate.value:.3f}"
    return text if interval is None else f"{text} [{interval[0]:.3f}, {interval[1]:.3f}]"


def _share(estimate: Estimate) -> str:
    return "-" if estimate.value is None else f"{100 * estimate.value:.1f} %"


def chosen_values(text: str, kind: type[Choice], flag: str) -> tuple[Choice, ...]:
    """Read names separated by commas; raises typer.BadParameter for an unknown one."""
    names = [part.strip() for part in text.split(",")]
    known = [each.value for each in kind]
    for name in names:
        if name not in known:
            raise typer.BadParameter(
                f"{flag} takes {', '.join(known)}, separated by commas, but got {name!r}."
            )
    return tuple(kind(name) for name in dict.fromkeys(names))


def _numbers(text: str, flag: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise typer.BadParameter(
            f"{flag} takes numbers separated by commas, but got {text!r}."
        ) from error
