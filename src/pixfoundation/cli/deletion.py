"""`pixfoundation deletion`: does a model use the place that it attends to?"""

from __future__ import annotations

from pathlib import Path

import typer

from pixfoundation.cli.bundles import bundled
from pixfoundation.cli.completeness import exit_unless_sound
from pixfoundation.cli.engine_options import EngineOptions, engine_options
from pixfoundation.cli.options import (
    DEVICE,
    DTYPE,
    MODEL_OPTION,
    MOVED_DATA,
    RUN_MODEL,
    model_recipe,
)
from pixfoundation.cli.printing import output


@bundled("engine", engine_options)
def deletion_command(
    engine: EngineOptions,
    run: Path = typer.Argument(help="A run directory with protocol 3, grounded by attention."),
    model: str | None = RUN_MODEL,
    limit: int | None = typer.Option(None, min=1, help="Use the first N samples only."),
    share: float = typer.Option(0.1, help="Share of the image's area that is covered."),
    seed: int = typer.Option(2024, min=0, help="Seed of the random control places."),
    data_root: Path | None = MOVED_DATA,
    device: str | None = DEVICE,
    dtype: str | None = DTYPE,
    model_option: list[str] | None = MODEL_OPTION,
) -> None:
    """Cover what the best phrase attends to, or as much elsewhere, and ask protocol 2 again.

    Write deletions.jsonl into the run; the same command continues where it stopped. `emergence`
    shows the result too.

    Examples:
      pixfoundation deletion runs/first --limit 50

      pixfoundation deletion runs/llava --engine ray --workers 4

      pixfoundation emergence runs/first
    """
    from pixfoundation.cli.progress import progress_bar
    from pixfoundation.emergence.deletion import deletion_test
    from pixfoundation.emergence.overlaps import best_points
    from pixfoundation.report.page import percent
    from pixfoundation.runs.completeness import measure_completeness
    from pixfoundation.runs.deleting import collect_deletions
    from pixfoundation.runs.run_records import RunRecords
    from pixfoundation.runs.store import RunDirectory

    directory = RunDirectory(run, data_root)
    recipe = model_recipe(directory, model, device, dtype, model_option)
    with progress_bar("covering") as on_progress:
        collect_deletions(
            directory,
            recipe,
            best_points(directory),
            limit=limit,
            share=share,
            seed=seed,
            on_progress=on_progress,
            engine=engine.load(),
        )
    test = deletion_test(directory)
    output().print(
        f"The answer changes in {percent(test['deleted'])} % when the attended place is covered, "
        f"in {percent(test['control'])} % when another is; difference "
        f"{percent(test['difference'])} (n = {test['difference'].n})."
    )
    exit_unless_sound([(directory.name, measure_completeness(RunRecords(directory)))])
