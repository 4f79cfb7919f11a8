"""What a recipe does, step by step: each step is a command line of `pixfoundation`.

A step is run through the command of that name, so that a recipe and a hand-typed command cannot
differ; `reproduce --dry-run` prints the command lines.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from pixfoundation.conventions import DEFAULT, PUBLISHED, Conventions
from pixfoundation.errors import DataError, UnknownNameError
from pixfoundation.reproduction.recipe import (
    NO_MASKS,
    RecipeRow,
    RecipeRun,
    ReproductionRecipe,
)
from pixfoundation.types import PROTOCOLS, Protocol

RUN_OPTIONS = (
    "data_root",
    "grounder",
    "limit",
    "batch_size",
    "max_new_tokens",
    "temperature",
    "seed",
    "device",
    "dtype",
    "attn",
    "quantization",
    "revision",
    "per_kind",
)
"""Entries of a run that are options of `pixfoundation run` under the same name."""


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """One run directory of a recipe.

    Attributes:
        entry: The run's entry in the recipe.
        dataset: Name of the dataset.
        folder: The run directory.
        rows: The rows of the table that it gives.
        limit: Greatest number of samples; None for all.
        root: Folder of the dataset, if the recipe names it.
    """

    entry: RecipeRun
    dataset: str
    folder: Path
    rows: tuple[RecipeRow, ...]
    limit: int | None
    root: Path | None

    @property
    def protocols(self) -> tuple[Protocol, ...]:
        """The protocols that are asked."""
        return tuple(sorted(set(self.entry.protocols or PROTOCOLS)))


@dataclass(frozen=True, slots=True)
class Step:
    """One command of a recipe.

    Attributes:
        kind: Name of the command.
        run: The run directory that it fills.
        arguments: Its arguments, without the name of the program and of the command.
    """

    kind: Literal["run", "controls", "judge"]
    run: PlannedRun
    arguments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReproductionPlan:
    """A recipe with the rows that were chosen.

    Attributes:
        recipe: The recipe.
        file: Its file.
        conventions: The rules of runs, judging and scores.
        runs: The run directories, in the order in which they are made.
    """

    recipe: ReproductionRecipe
    file: Path
    conventions: Conventions
    runs: tuple[PlannedRun, ...]

    def steps(self, run: PlannedRun, *, judged: bool = True) -> Iterator[Step]:
        """Yield the commands that fill a run directory, in order.

        Args:
            run: The run directory.
            judged: Whether the recipe's judge is asked.
        """
        yield Step("run", run, tuple(self._run_arguments(run)))
        if run.entry.controls:
            kinds = ("--kinds", ",".join(run.entry.controls))
            options = (*kinds, *self._data(run), *self._loading(run.entry))
            yield Step("controls", run, (str(run.folder), *options))
        if judged and run.entry.tasks(self.recipe.judge):
            yield Step("judge", run, tuple(self._judge_arguments(run)))

    def _run_arguments(self, run: PlannedRun) -> Iterator[str]:
        entry = run.entry
        yield from ("--model", entry.model, "--dataset", run.dataset)
        if entry.segmenter == NO_MASKS:
            yield "--no-segmenter"
        elif entry.segmenter is not None:
            yield from ("--segmenter", entry.segmenter)
        if entry.protocols is not None:
            yield from ("--protocols", ",".join(map(str, run.protocols)))
        own = {"data_root": run.root, "limit": run.limit}
        for name in RUN_OPTIONS:
            value = own[name] if name in own else getattr(entry, name)
            if value is not None:
                yield from (f"--{name.replace('_', '-')}", str(value))
        yield from _pairs("--model-option", entry.model_options)
        yield from _pairs("--data-option", entry.dataset_options)
        yield from _pairs("--grounder-option", entry.grounder_options)
        if entry.variants:
            yield from ("--variants", ",".join(entry.variants))
        if self.recipe.engine is not None:
            yield from ("--engine", self.recipe.engine.name)
            yield from self._engine_options(self.recipe.engine.named_options)
        yield from self._rules()
        yield from ("--out", str(run.folder))

    def _data(self, run: PlannedRun) -> Iterator[str]:
        if run.root is not None:  # it may have moved since the run
            yield from ("--data-root", str(run.root))

    def _loading(self, entry: RecipeRun) -> Iterator[str]:
        for name in ("device", "dtype"):
            if (value := getattr(entry, name)) is not None:
                yield from (f"--{name}", value)
        yield from _pairs("--model-option", entry.model_options)

    def _engine_options(self, options: Mapping[str, Any]) -> Iterator[str]:
        own = {"workers", "gpus_per_worker", "ray_address", "timeout"}
        further: dict[str, Any] = {}
        for name, value in options.items():
            if name in own:
                yield from (f"--{name.replace('_', '-')}", str(value))
            else:
                further[name] = value
        yield from _pairs("--engine-option", further)

    def _judge_arguments(self, run: PlannedRun) -> Iterator[str]:
        judge = self.recipe.judge
        assert judge is not None
        yield from (str(run.folder), "--judge-model", judge.model)
        yield from ("--judge-backend", judge.backend, "--tasks", ",".join(run.entry.tasks(judge)))
        for name in ("base_url", "temperature", "at_once"):
            if (value := getattr(judge, name)) is not None:
                yield from (f"--{name.replace('_', '-')}", str(value))
        yield from _pairs("--judge-option", judge.options)
        yield from self._data(run)
        yield from self._rules()

    def _rules(self) -> Iterator[str]:
        if self.recipe.rules == "published":
            yield "--published"
        elif self.recipe.rules != "default":
            yield from ("--conventions", str(_beside(self.file, self.recipe.rules)))


def make_plan(
    recipe: ReproductionRecipe,
    file: Path,
    *,
    rows: Sequence[str] | None = None,
    out: Path | None = None,
    limit: int | None = None,
) -> ReproductionPlan:
    """Choose the runs and rows of a recipe.

    Args:
        recipe: The recipe.
        file: Its file.
        rows: Names of runs (`llava-1.5-7b`), of run directories (`llava-1.5-7b-pixmmvp`), of
            datasets or of published rows (`PixFoundation (7B)`); None for all.
        out: Folder of the run directories; None for the recipe's.
        limit: Greatest number of samples of each run; None for the recipe's.

    Raises:
        UnknownNameError: If nothing has one of the names, or there are no such rules.
        DataError: If the file of conventions cannot be read.
    """
    folder = out or Path(recipe.out or Path("runs") / file.stem)
    planned: list[PlannedRun] = []
    known: dict[str, None] = {}
    for entry in recipe.runs:
        for dataset in entry.datasets:
            own = f"{entry.name}-{dataset}"
            rows_of_run = entry.rows or [RecipeRow()]
            methods = [row.published for row in rows_of_run if row.published is not None]
            known |= dict.fromkeys([entry.name, own, dataset, *methods])
            chosen = tuple(
                row
                for row in rows_of_run
                if rows is None or {entry.name, own, dataset, row.published} & set(rows)
            )
            if chosen:
                limits = [number for number in (limit, entry.limit) if number is not None]
                root = None if entry.data_root is None else _beside(file, entry.data_root)
                smallest = min(limits, default=None)
                planned.append(PlannedRun(entry, dataset, folder / own, chosen, smallest, root))
    for name in rows or ():
        if name not in known:
            raise UnknownNameError("row", name, known)
    return ReproductionPlan(recipe, file, _conventions(recipe.rules, file), tuple(planned))


def _conventions(rules: str, file: Path) -> Conventions:
    known = {"default": DEFAULT, "published": PUBLISHED}
    if rules in known:
        return known[rules]
    if not rules.endswith(".toml"):
        raise UnknownNameError("rulebook", rules, (*known, "*.toml"))
    return Conventions.load(_beside(file, rules))


def _beside(file: Path, path: str) -> Path:
    """Return a path of a recipe, which is relative to the recipe's file."""
    return file.parent / Path(path).expanduser()


def _pairs(flag: str, options: Mapping[str, Any]) -> Iterator[str]:
    """Yield options as `--flag KEY=VALUE`, those of a mapping as `KEY.PART=VALUE`."""
    for key, value in options.items():
        if isinstance(value, Mapping):
            parts = cast("Mapping[str, Any]", value)
            yield from _pairs(flag, {f"{key}.{part}": each for part, each in parts.items()})
        else:
            yield from (flag, f"{key}={_text(value)}")


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool | int | float | list):
        return json.dumps(value)
    raise DataError(f"{value!r} cannot be the value of an option.")
