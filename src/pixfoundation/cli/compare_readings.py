"""`pixfoundation compare-readings`: which reading shows the object best, on the same answers?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from pixfoundation.cli.completeness import exit_unless_sound
from pixfoundation.cli.completion import reading_names, segmenter_names
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
from pixfoundation.cli.printing import output, print_json
from pixfoundation.errors import DataError

if TYPE_CHECKING:
    from rich.table import Table

    from pixfoundation.where.comparing import ReadingComparison

TITLES = {
    "pointing": "peak in\nmask",
    "energy": "energy\nin mask",
    "map_iou": "IoU of\nmap",
    "oracle": "mIoU\noracle",
    "similarity": "mIoU\nsimilarity",
}


def compare_readings_command(
    run: Path = typer.Argument(help="A run directory; its answers are looked at again."),
    reading: list[str] | None = typer.Option(
        None,
        help="A name of `pixfoundation readings`; repeatable. Default: all.",
        autocompletion=reading_names,
    ),
    reading_option: list[str] | None = typer.Option(
        None,
        metavar="READING.KEY=VALUE",
        help="Option of a reading, such as relative.layers=14; repeatable.",
    ),
    model: str | None = RUN_MODEL,
    segmenter: str | None = typer.Option(
        None,
        help="What draws the masks. Default: the segmenter of the run.",
        autocompletion=segmenter_names,
    ),
    no_segmenter: bool = typer.Option(
        False, "--no-segmenter", help="Compare the maps alone, without masks."
    ),
    protocol: int = typer.Option(3, min=1, max=3, help="Protocol of the answers: 1 or 3."),
    limit: int | None = typer.Option(None, min=1, help="Use the first N answers only."),
    data_root: Path | None = MOVED_DATA,
    device: str | None = DEVICE,
    dtype: str | None = DTYPE,
    model_option: list[str] | None = MODEL_OPTION,
    as_json: bool = AS_JSON,
) -> None:
    """Compare readings on the answers of a run: pointing game, mIoU, energy, cost, chance.

    Write readings.jsonl into the run; the same command continues where it stopped.

    Examples:
      pixfoundation compare-readings runs/first --limit 20

      pixfoundation compare-readings runs/llava --reading attention --reading tam --json
    """
    from pixfoundation import api
    from pixfoundation.cli.progress import progress_bar
    from pixfoundation.loading import load_segmenter
    from pixfoundation.runs.completeness import measure_completeness
    from pixfoundation.runs.run_records import RunRecords
    from pixfoundation.runs.store import RunDirectory
    from pixfoundation.segmenters.base import takes_points
    from pixfoundation.where.comparing import compare_readings, load_readings

    if protocol == 2:
        raise typer.BadParameter("an answer to protocol 2 is a letter; choose 1 or 3.")
    directory = RunDirectory(run, data_root)
    per_reading = options_by_reading(reading_option)
    chosen = load_readings(reading or (), per_reading) if reading or per_reading else None
    loaded = model_recipe(directory, model, device, dtype, model_option).make(api.load_model)
    name = segmenter or (directory.config.segmenter.name if directory.config.segmenter else None)
    drawing = None
    if not no_segmenter and name is not None:
        found_segmenter = load_segmenter(name, **given(device=device))
        if not takes_points(found_segmenter):
            raise DataError(f"The segmenter {name!r} takes no points. Use --no-segmenter.")
        drawing = found_segmenter
    with progress_bar("reading") as on_progress:
        comparison = compare_readings(
            directory,
            loaded,
            drawing,
            chosen=chosen,
            protocol=protocol,  # type: ignore[arg-type] - the option's bounds say so
            limit=limit,
            on_progress=on_progress,
        )
    if as_json:
        print_json(comparison.to_json())
    else:
        output().print_table(_table(comparison))
        output().print_prose(_notes(comparison), style="dim")
    exit_unless_sound([(directory.name, measure_completeness(RunRecords.of(directory)))])


def options_by_reading(pairs: Sequence[str] | None) -> dict[str, dict[str, Any]]:
    """Read READING.KEY=VALUE pairs into the options of each reading.

    Raises:
        typer.BadParameter: If a pair has another form.
    """
    own: dict[str, list[str]] = {}
    for pair in pairs or ():
        name, dot, rest = pair.partition(".")
        if not dot or not name or "=" in name:
            raise typer.BadParameter(f"expected READING.KEY=VALUE, but got {pair!r}.")
        own.setdefault(name, []).append(rest)
    return {name: parse_options(rest) for name, rest in own.items()}


def _table(comparison: ReadingComparison) -> Table:
    from rich.table import Table

    from pixfoundation.scoring.intervals import percent
    from pixfoundation.where.comparing import MEASURES

    title = f"{comparison.run}, protocol {comparison.protocol}, {comparison.answers} answers"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    table.add_column("reading", no_wrap=True)
    for name in MEASURES:
        table.add_column(TITLES[name], justify="right")
    table.add_column("seconds", justify="right")
    for row in comparison.rows:
        cells = [percent(row.measures[name], bound_digits=0) for name in MEASURES]
        table.add_row(row.reading, *cells, f"{row.seconds:.3f}")
        levels = [percent(row.chance[name], interval=False) for name in MEASURES]
        table.add_row("  chance", *levels, "", style="dim")
    return table


def _notes(comparison: ReadingComparison) -> str:
    shared = max(row.shared for row in comparison.rows)
    text = (
        "In percent, with 95 % intervals over pairs. Peak, energy and IoU of the map are those of "
        "the phrase that is most like the expression. Seconds per answer are each reading's own "
        f"work; the pass that they share takes {shared:.3f}."
    )
    for name, reason in comparison.left_out.items():
        text += f" Left out: {name}, since {reason}."
    return text
