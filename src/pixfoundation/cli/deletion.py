"""`pixfoundation deletion`: is what a model attends to what it uses?"""

from __future__ import annotations

from pathlib import Path

import typer
from rich.console import Console

from pixfoundation.cli.options import DEVICE, DTYPE, MODEL_OPTION, given, parse_options


def deletion_command(
    run: Path = typer.Argument(help="A run directory with protocol 3, grounded by attention."),
    model: str | None = typer.Option(None, help="The run's model. Default: by the run's record."),
    limit: int | None = typer.Option(None, min=1, help="Only the first N samples."),
    share: float = typer.Option(0.1, help="Which part of the image's area is covered."),
    seed: int = typer.Option(2024, help="Of the controls' places."),
    device: str | None = DEVICE,
    dtype: str | None = DTYPE,
    model_option: list[str] | None = MODEL_OPTION,
) -> None:
    """Cover what the best phrase attends to, and as much elsewhere, and ask protocol 2 again.

    Writes deletions.jsonl into the run, goes on where it stopped; `emergence` shows the result.

    Examples:
      pixfoundation deletion runs/first --limit 50

      pixfoundation emergence runs/first
    """
    from pixfoundation import api
    from pixfoundation.cli.progress import progress_bar
    from pixfoundation.emergence.deletion import deletion_test
    from pixfoundation.emergence.overlaps import best_points
    from pixfoundation.report.page import percent
    from pixfoundation.runs.deleting import collect_deletions
    from pixfoundation.runs.store import RunDirectory

    directory = RunDirectory(run)
    options = {**given(device=device, dtype=dtype), **parse_options(model_option)}
    loaded = api.load_model(model or directory.name, **options)
    with progress_bar("covering") as on_progress:
        collect_deletions(
            directory,
            loaded,
            best_points(directory),
            limit=limit,
            share=share,
            seed=seed,
            on_progress=on_progress,
        )
    found = deletion_test(directory)
    Console().print(
        f"The answer changes in {percent(found['deleted'])} % when the attended place is covered, "
        f"in {percent(found['control'])} % when another is; difference "
        f"{percent(found['difference'])} (n = {found['difference'].n}).",
        highlight=False,
        soft_wrap=True,
    )
