"""`pixfoundation import`: convert outputs of the published code to a run directory."""

from __future__ import annotations

from pathlib import Path

import typer

from pixfoundation.cli.options import DATA_OPTION, DATA_ROOT, parse_options
from pixfoundation.cli.printing import emphasised, notes
from pixfoundation.wording import counted, pixfoundation_command

SHOWN = 20

_SINGULAR = {"samples with masks": "sample with masks"}


def import_command(
    dataset: str = typer.Option(..., help="A name of `pixfoundation datasets`."),
    data_root: Path | None = DATA_ROOT,
    protocol: int = typer.Option(..., min=1, max=3, help="1 question, 2 letter, 3 expression."),
    masks: Path | None = typer.Option(
        None,
        help="Folder of masks (output00001.png) or of candidates (1_000_000.png), or one JSON file "
        "of COCO run lengths.",
    ),
    candidates_meta: Path | None = typer.Option(
        None, help="The text file of a candidate folder: phrases and similarities."
    ),
    picks: Path | None = typer.Option(None, help="JSON Lines of the automatic selection."),
    answers: Path | None = typer.Option(None, help="JSON Lines of the model's answers."),
    grades: Path | None = typer.Option(
        None, help="Grades of protocol 1: the table with a column 'acc', or JSON Lines."
    ),
    variant: str | None = typer.Option(
        None,
        help="The variant that was asked about, such as crop/03, or its published number "
        "(--varidx). Default: the default prompt.",
    ),
    variant_files: Path | None = typer.Option(
        None, help="Folder of the variants' files. Default: the folder of the dataset."
    ),
    out: Path = typer.Option(
        ..., help="The run directory; several imports into one directory are merged."
    ),
    model: str | None = typer.Option(
        None, help="Name of the model. Default: the name in the files."
    ),
    data_option: list[str] | None = DATA_OPTION,
    strict: bool = typer.Option(False, help="Fail if anything is missing, extra or unreadable."),
    everything: bool = typer.Option(
        False, "--all-issues", help=f"List every issue, not only the first {SHOWN}."
    ),
) -> None:
    """Import outputs of the published code: masks, candidates, picks, answers, grades.

    Masks are matched by number or name. What is missing, extra or unreadable is named on standard
    error and kept in the run's imports.json.

    Examples:
      pixfoundation import --dataset pixmmvp --data-root data/pixmmvp --protocol 3
      --masks preds_lisa_protocol3 --out runs/lisa

      pixfoundation import --dataset pixmmvp --data-root data/pixmmvp --protocol 1
      --masks preds_llava_protocol1 --candidates-meta meta_llava_spaCy_protocol1.txt
      --picks meta_llava_gptauto_protocol1.jsonl --answers answers_llava_protocol1.jsonl
      --grades answers_llava_protocol1.csv --out runs/llava

      pixfoundation import --dataset pixmmvp --data-root data/pixmmvp --protocol 3
      --variant crop/03 --masks preds_var_03 --out runs/lisa

      pixfoundation import --dataset reasonseg --data-root data/reasonseg --protocol 3
      --masks predictions.json --model "My model" --out runs/mine
    """
    from pixfoundation import api
    from pixfoundation.report import published
    from pixfoundation.runs.importing import Outputs, import_outputs

    console = notes()
    data = api.load_dataset(dataset, data_root, **parse_options(data_option))
    outputs = Outputs(
        protocol,  # type: ignore[arg-type] - the option is from 1 to 3
        masks=masks,
        meta=candidates_meta,
        picks=picks,
        answers=answers,
        grades=grades,
        variant=variant,
        variant_files=variant_files,
    )
    imported = import_outputs(data, outputs, out, model=model)
    shown = imported.issues if everything else imported.issues[:SHOWN]
    for issue in shown:
        console.print(emphasised(("!", "yellow"), f" {issue}"))
    if len(shown) < len(imported.issues):
        console.print(
            f"... and {len(imported.issues) - len(shown)} more (--all-issues; all are in "
            f"{out / 'imports.json'}).",
        )
    counts = ", ".join(
        counted(number, _SINGULAR.get(kind, kind.removesuffix("s")), kind)
        for kind, number in imported.counts.items()
    )
    rules = ("--published",) if dataset in published.SIZES else ()
    console.print(
        f"Imported into {out}: {counts or 'nothing'}; {counted(len(imported.issues), 'issue')}. "
        f"Next: {pixfoundation_command('score', out, *rules)}",
    )
    if strict and imported.issues:
        raise typer.Exit(1)
