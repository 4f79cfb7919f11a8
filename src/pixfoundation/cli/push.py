"""`pixfoundation push`: a run as a dataset of the Hugging Face hub."""

from __future__ import annotations

from pathlib import Path

import typer

from pixfoundation.cli.bundles import bundled
from pixfoundation.cli.completeness import exit_unless_sound
from pixfoundation.cli.options import MOVED_DATA
from pixfoundation.cli.printing import notes, output
from pixfoundation.cli.scoring_options import RUN, score_options
from pixfoundation.scoring.options import ScoreOptions


@bundled("options", score_options)
def push_command(
    options: ScoreOptions,
    run: Path = RUN,
    repo: str = typer.Option(..., help="Repository of the dataset, as OWNER/NAME."),
    dry_run: bool = typer.Option(
        False, "--dry-run", help="Write the folder only; nothing leaves this machine."
    ),
    images: bool = typer.Option(
        False,
        "--images",
        help="Put the images and ground-truth masks into the dataset. Read their licence first.",
    ),
    public: bool = typer.Option(False, "--public", help="Make a new repository public."),
    update: bool = typer.Option(
        False, "--update", help="Add a commit to the repository if it exists."
    ),
    model_repo: str | None = typer.Option(
        None,
        help="Repository of the model, as OWNER/NAME: open a pull request there with an entry of "
        ".eval_results, which the hub shows on the model's page.",
    ),
    benchmark: str | None = typer.Option(
        None, help="Dataset of the hub that the entry names. Default: that of the run's dataset."
    ),
    task: str | None = typer.Option(
        None,
        help="Task of the entry in the benchmark's eval.yaml. Default: the figure's name.",
    ),
    figure: str = typer.Option(
        "S", help="Figure of the entry: S, A_dagger, A, M_dagger, M or grove"
    ),
    out: Path | None = typer.Option(
        None, help="Folder of the files. Default: exports/hub in the run."
    ),
    data_root: Path | None = MOVED_DATA,
) -> None:
    """Make a dataset of a run and push it to the Hugging Face hub, private unless --public.

    It holds a card with the figures, one row per answer as Parquet, and the scores. The token is
    that of `hf auth login`.

    Examples:
      pixfoundation push runs/first --repo me/first --dry-run

      pixfoundation push runs/llava --repo me/llava-pixmmvp --model-repo llava-hf/llava-1.5-7b-hf
    """
    from pixfoundation.exports.view import ExportedRun
    from pixfoundation.exports.writing import FOLDER
    from pixfoundation.publishing.eval_results import EvalResult
    from pixfoundation.publishing.folder import check_repository, write_publication
    from pixfoundation.publishing.licences import licence_sentence
    from pixfoundation.publishing.upload import push
    from pixfoundation.wording import counted

    check_repository(repo)
    result = None
    if model_repo is not None:
        check_repository(model_repo)
        result = EvalResult(model=model_repo, benchmark=benchmark, task=task, figure=figure)
    elif benchmark is not None or task is not None or figure != "S":
        raise typer.BadParameter("--benchmark, --task and --figure belong to --model-repo.")
    view = ExportedRun(run, options, data_root)
    folder = out or view.records.run.path / FOLDER / "hub"
    made = write_publication(view, repo, folder, images=images, result=result)
    console = output()
    if images:
        notes().print_prose(f"Warning: {licence_sentence(view.scores.dataset)}")
    if made.missing:
        notes().print(f"{counted(made.missing, 'image')} could not be found and is left out.")
    console.print(f"{counted(len(made.files), 'file')} in {folder.resolve()}")
    if dry_run:
        console.print("Nothing was pushed (--dry-run).")
    else:
        for address in push(made, public=public, update=update):
            console.print(address)
    exit_unless_sound([(view.name, view.scores.completeness)])
