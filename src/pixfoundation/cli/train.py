"""`pixfoundation train`: the embedded models, from scratch, as they were made."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import typer
from rich.console import Console
from rich.progress import Progress

train_app = typer.Typer(
    no_args_is_help=True,
    help="Train the embedded models from scratch. An interrupted training goes on from its last "
    "checkpoint when the same command is given again.",
)

SEED = typer.Option(0, help="Of the initial weights and the order of the data.")
THREADS = typer.Option(1, min=1, help="Threads of torch; more than the idle cores are slower.")
WORKERS = typer.Option(1, min=0, help="Processes that draw scenes.")


@train_app.command("tiny-sam")
def tiny_sam_command(
    out: Path = typer.Option(..., help="The folder of checkpoints, and of the model at the end."),
    steps: int | None = typer.Option(None, min=1, help="Default: those of the shipped weights."),
    seed: int = SEED,
    threads: int = THREADS,
    workers: int = WORKERS,
) -> None:
    """Train tiny-sam: points on drawn scenes to masks. About an hour on one core.

    Example:
      pixfoundation train tiny-sam --out trainings/tiny-sam
    """
    from recipes.tiny_sam import Recipe, train

    recipe = replace(Recipe(), seed=seed, **({"steps": steps} if steps is not None else {}))
    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task("tiny-sam", total=recipe.steps)

        def report(done: int, total: int, losses: object) -> None:
            bar.update(task, completed=done, total=total)

        folder = train(out, recipe, threads=threads, workers=workers, progress=report)
    Console().print(f"The model: {folder.resolve()}", highlight=False, soft_wrap=True)


@train_app.command("tiny-llava")
def tiny_llava_command(
    out: Path = typer.Option(..., help="The folder of scenes, features and checkpoints."),
    save_to: Path | None = typer.Option(None, help="Where the model goes. Default: OUT/model."),
    seed: int = SEED,
    threads: int = THREADS,
    workers: int = WORKERS,
    compile_model: bool = typer.Option(True, help="Use torch.compile; needs a C++ compiler."),
) -> None:
    """Train tiny-llava: vision tower, then language. About two hours on one free core.

    Example:
      pixfoundation train tiny-llava --out trainings/tiny-llava
    """
    from recipes.tiny_llava import Recipe, train

    folder = save_to or out / "model"
    console = Console(stderr=True)
    train(
        out,
        Recipe(seed=seed),
        threads=threads,
        workers=workers,
        compile_model=compile_model,
        save_to=folder,
        progress=lambda line: console.print(line, highlight=False, markup=False),
    )
    Console().print(f"The model: {folder.resolve()}", highlight=False, soft_wrap=True)
