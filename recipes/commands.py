"""The command line of the recipes: `python -m recipes COMMAND`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import typer
from rich.console import Console
from rich.progress import Progress

app = typer.Typer(
    no_args_is_help=True,
    help="Train the embedded models from scratch, and find the threshold of phrase vectors. The "
    "same command again continues an interrupted training from its last checkpoint.",
)

SEED = typer.Option(0, help="Seed of the initial weights and of the order of the data.")
THREADS = typer.Option(
    1, min=1, help="Number of PyTorch threads; more than there are idle cores is slower."
)
WORKERS = typer.Option(1, min=0, help="Number of processes that draw scenes.")


@app.command("tiny-sam")
def tiny_sam_command(
    out: Path = typer.Option(..., help="Folder for checkpoints and the finished model."),
    steps: int | None = typer.Option(
        None, min=1, help="Number of steps. Default: as for the shipped weights."
    ),
    seed: int = SEED,
    threads: int = THREADS,
    workers: int = WORKERS,
) -> None:
    """Train tiny-sam to turn points on drawn scenes into masks.

    Example:
      python -m recipes tiny-sam --out trainings/tiny-sam
    """
    from recipes.tiny_sam import Recipe, train

    recipe = replace(Recipe(), seed=seed, **({"steps": steps} if steps is not None else {}))
    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task("tiny-sam", total=recipe.steps)

        def report(done: int, total: int, losses: object) -> None:
            bar.update(task, completed=done, total=total)

        folder = train(out, recipe, threads=threads, workers=workers, progress=report)
    Console().print(f"The model: {folder.resolve()}", highlight=False, soft_wrap=True)


@app.command("tiny-llava")
def tiny_llava_command(
    out: Path = typer.Option(..., help="Folder for scenes, features and checkpoints."),
    save_to: Path | None = typer.Option(
        None, help="Folder for the finished model. Default: OUT/model."
    ),
    seed: int = SEED,
    threads: int = THREADS,
    workers: int = WORKERS,
    compile_model: bool = typer.Option(True, help="Use torch.compile; needs a C++ compiler."),
    side_by_side: bool = typer.Option(
        False,
        "--side-by-side",
        help="Train the stages on written pictures in a second process while the tower is trained. "
        "Needs a second core; the weights are the same.",
    ),
) -> None:
    """Train tiny-llava: first the vision tower, then the language model.

    OUT/training.log has every report with its processor time.

    Example:
      python -m recipes tiny-llava --out trainings/tiny-llava
    """
    from recipes.tiny_llava import Recipe, RunOptions, train
    from recipes.training_log import TrainingLog

    folder = save_to or out / "model"
    options = RunOptions(
        workers=workers,
        threads=threads,
        progress=TrainingLog(out / "training.log", _show),
        compile_model=compile_model,
        side_by_side=side_by_side,
    )
    train(out, Recipe(seed=seed), options, save_to=folder)
    Console().print(f"The model: {folder.resolve()}", highlight=False, soft_wrap=True)


def _show(line: str) -> None:
    Console(stderr=True).print(line, highlight=False, markup=False, soft_wrap=True)


@app.command("tiny-llava-card")
def tiny_llava_card_command(
    run: Path = typer.Argument(help="A run of the model over all of the PixScenes test set."),
    out: Path = typer.Option(..., help="The folder of the training, as given to tiny-llava."),
    model: Path | None = typer.Option(None, help="Folder of the model. Default: OUT/model."),
) -> None:
    """Write the model card of a trained tiny-llava into its folder.

    Example:
      python -m recipes tiny-llava-card runs/test --out trainings/tiny-llava
    """
    from recipes.llava_card import model_card

    folder = model or out / "model"
    card = model_card(run, folder / "model.safetensors", out / "training.log")
    (folder / "README.md").write_text(card, encoding="utf-8")
    Console().print(f"The card: {folder.resolve() / 'README.md'}", highlight=False, soft_wrap=True)


@app.command("phrase-threshold")
def phrase_threshold_command(
    vectors: str | None = typer.Option(
        None, help="Phrase vectors: en_core_web_lg or wordllama. Default: the first installed."
    ),
) -> None:
    """Find from which similarity on a phrase names the expression, for these vectors.

    Example:
      python -m recipes phrase-threshold --vectors wordllama
    """
    from pixfoundation.similarity import PUBLISHED_THRESHOLD
    from recipes.phrase_threshold import calibrate

    result = calibrate(vectors)
    print(f"{result.vectors}: {len(result.right)} right names, {len(result.wrong)} wrong names")
    for threshold in (result.threshold, PUBLISHED_THRESHOLD):
        print(
            f"threshold {threshold:.2f}: {100 * (result.right >= threshold).mean():.1f} % of the "
            f"right names pass, {100 * (result.wrong < threshold).mean():.1f} % of the wrong ones "
            f"do not; balanced {100 * result.balanced_accuracy(threshold):.1f} %"
        )
