"""`check_recipe`: look up every name of a recipe, and check every option, before anything runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pixfoundation.controls.kinds import ControlKind
from pixfoundation.engines.names import NAMES, load_engine
from pixfoundation.errors import DataError, PixFoundationError, UnknownNameError
from pixfoundation.judges import judges
from pixfoundation.loading import check_names, default_segmenter
from pixfoundation.report.published import ROWS
from pixfoundation.reproduction.plan import make_plan
from pixfoundation.reproduction.recipe import (
    NO_MASKS,
    RecipeEngine,
    RecipeRow,
    RecipeRun,
    ReproductionRecipe,
    read_recipe,
)
from pixfoundation.runs.judging import Task
from pixfoundation.selectors import selectors
from pixfoundation.typed_options import read_options
from pixfoundation.variants import kinds

TASKS = tuple(task.value for task in Task)


def load_recipe(file: Path) -> ReproductionRecipe:
    """Read a recipe and check all of it.

    Raises:
        DataError: If an entry is not known or not valid; the message names the file and the entry.
        PixFoundationError: If a package is missing that an option needs.
    """
    recipe = read_recipe(file)
    check_recipe(recipe, file)
    return recipe


def check_recipe(recipe: ReproductionRecipe, file: Path) -> None:
    """Look up all names of a recipe, and check all options.

    Args:
        recipe: The recipe.
        file: Its file, for messages and for the paths that are relative to it.

    Raises:
        DataError: If a name or an option is not known or not valid.
    """
    with _at(f"{file}: rules"):
        make_plan(recipe, file)
    for place, run in enumerate(recipe.runs):
        where = f"{file}: runs[{place}] ({run.name})"
        with _at(where):
            _check_run(run)
        for number, row in enumerate(run.rows):
            with _at(f"{where}.rows[{number}]"):
                _check_row(row, run)
    if recipe.judge is not None:
        with _at(f"{file}: judge"):
            judge = recipe.judge
            factory = judges.get(judge.backend)
            read_options(f"The judge {judge.backend!r}", factory, judge.options, judge.model)
            for task in judge.tasks:
                _known("task", task, TASKS)
    if recipe.engine is not None:
        with _at(f"{file}: engine.name"):
            _known("engine", recipe.engine.name, NAMES)
        with _at(f"{file}: engine.options"):
            _check_engine(recipe.engine)


@contextmanager
def _at(where: str) -> Iterator[None]:
    """Put the entry in front of the message of an error."""
    try:
        yield
    except PixFoundationError as error:
        raise DataError(f"{where}: {error}") from error


def _check_run(run: RecipeRun) -> None:
    segmenter = run.segmenter or default_segmenter(run.model)
    loading = {
        name: value
        for name in ("device", "dtype", "attn", "quantization", "revision")
        if (value := getattr(run, name)) is not None
    }
    options: dict[str, Any] = {**loading, **run.model_options}
    for dataset in run.datasets:
        check_names(
            run.model,
            dataset,
            None if segmenter == NO_MASKS else segmenter,
            model_options=options,
            dataset_options=run.dataset_options,
            grounder=run.grounder,
            grounder_options=run.grounder_options,
        )
    for name in run.variants:
        kinds.entry(name)
    for task in run.judge if isinstance(run.judge, list) else ():
        _known("task", task, TASKS)
    for name in run.controls:
        _known("control", name, [kind.value for kind in ControlKind])


def _check_row(row: RecipeRow, run: RecipeRun) -> None:
    if row.selector not in (None, NO_MASKS):
        selectors.entry(str(row.selector))
    for dataset in run.datasets if row.published is not None else ():
        if dataset not in ROWS:
            raise DataError(
                f"published: there are no published rows of {dataset!r}, only of: "
                f"{', '.join(sorted(ROWS))}."
            )
        _known("published row", str(row.published), [each.method for each in ROWS[dataset]])


def _check_engine(engine: RecipeEngine) -> None:
    if engine.name == "in-process" and engine.options:
        raise DataError("the engine 'in-process' takes no options.")
    options = engine.named_options
    if "ray_address" in options:  # as the command line calls it
        options["address"] = options.pop("ray_address")
    load_engine(engine.name, **options)


def _known(kind: str, name: str, names: Any) -> None:
    if name not in names:
        raise UnknownNameError(kind, name, names)
