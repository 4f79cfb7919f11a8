"""`pixfoundation export`: a run in the form that another tool reads."""

from __future__ import annotations

from pathlib import Path

import typer

from pixfoundation.cli.bundles import bundled
from pixfoundation.cli.completeness import exit_unless_sound
from pixfoundation.cli.completion import exporter_names
from pixfoundation.cli.options import MOVED_DATA, parse_options
from pixfoundation.cli.printing import notes, output
from pixfoundation.cli.scoring_options import RUN, score_options
from pixfoundation.scoring.options import ScoreOptions


@bundled("options", score_options)
def export_command(
    options: ScoreOptions,
    form: str = typer.Argument(
        help="A name of `pixfoundation exporters`.", autocompletion=exporter_names
    ),
    run: Path = RUN,
    out: Path | None = typer.Option(
        None, help="The file or folder to write. Default: in the folder exports of the run."
    ),
    option: list[str] | None = typer.Option(
        None, metavar="KEY=VALUE", help="Option of the exporter, such as masks=all; repeatable."
    ),
    data_root: Path | None = MOVED_DATA,
) -> None:
    """Write a run in the form that another tool reads: CSV, COCO results and more.

    The scores are those of `pixfoundation score` with the same options; --selector chooses the
    masks.

    Examples:
      pixfoundation export csv runs/first --out first.csv

      pixfoundation export coco runs/first --option masks=all --out first-coco

      pixfoundation export coco runs/llava --published --selector similarity
    """
    from pixfoundation.exports.base import ExportedRun
    from pixfoundation.exports.writing import export, load_exporter

    form_options = parse_options(option)
    load_exporter(form, form_options)  # what is wrong is said before the run is scored
    exported = ExportedRun(run, options, data_root)
    made = export(form, exported, out, form_options)
    console = output()
    if exported.without_selector is not None:
        notes().print_prose(f"Warning: {exported.without_selector}")
    console.print_prose(made.summary)
    for file in made.files:
        console.print(str(file))
    exit_unless_sound([(exported.name, exported.scores.completeness)])
