"""`pixfoundation demo`: the whole pipeline on the embedded dataset and models."""

from __future__ import annotations

from pathlib import Path

import typer

from pixfoundation.cli.printing import emphasised, notes

SAMPLES, QUICK = 100, 12
"""Number of samples of a demo, and of a quick one."""

BATCH = 8
"""Number of samples in a batch, each with three prompts."""


def demo_command(
    out: Path = typer.Option(Path("pixfoundation-demo"), help="Folder for the run and the report."),
    limit: int | None = typer.Option(
        None, min=2, help=f"Number of samples of PixScenes; {SAMPLES} by default, {QUICK} if quick."
    ),
    quick: bool = typer.Option(False, "--quick", help="Take few samples, for a first look."),
) -> None:
    """Run, score and report the embedded models on the embedded dataset; needs no network.

    Examples:
      pixfoundation demo --quick
      pixfoundation demo --out my-demo --limit 40
    """
    from pixfoundation.extras import DEMO, check_extras

    check_extras("The demonstration", DEMO)
    from pixfoundation import api
    from pixfoundation.cli.progress import progress_bar
    from pixfoundation.cli.score_tables import print_scores
    from pixfoundation.report.page import write_report
    from pixfoundation.runs.run_records import RunRecords
    from pixfoundation.scoring.score import score

    console = notes()
    console.print("Loading PixScenes, tiny-llava and tiny-sam ...")
    data = api.load_dataset("pixscenes")
    # The model is so small that a batch over images saves more than reading each image once.
    model = api.load_model("tiny-llava", share_prefix=False, batch_size=3 * BATCH)
    segmenter = api.load_segmenter("tiny-sam")
    with progress_bar("tiny-llava on pixscenes") as on_progress:
        run = api.evaluate(
            model,
            data,
            segmenter,
            out=out / "run",
            limit=limit or (QUICK if quick else SAMPLES),
            batch_size=BATCH,
            on_progress=on_progress,
        )
    records = RunRecords.of(run)
    scores = score(records)
    print_scores(scores)
    page = write_report([records], out / "report", scores=[scores])
    console.print("These are demonstration models: their numbers say nothing about real ones.")
    console.print(emphasised(("The report:", "bold"), f" {page.resolve()}"))
