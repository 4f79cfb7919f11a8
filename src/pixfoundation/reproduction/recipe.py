"""`ReproductionRecipe`: a TOML file that names the runs of a table and its published numbers.

The file is read as declared types, so that an entry that is not known, or has another type, is an
error that names the file, the entry and near matches. Keys are written as the options of
`pixfoundation run` are: `max-new-tokens`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, TypeVar, cast

import msgspec

from pixfoundation.errors import DataError, UnknownNameError
from pixfoundation.existence import exists
from pixfoundation.scoring.paired import COLUMNS
from pixfoundation.toml_files import read_toml
from pixfoundation.typed_json import UnreadableError, convert
from pixfoundation.types import Protocol

Positive = Annotated[int, msgspec.Meta(ge=1)]
Natural = Annotated[int, msgspec.Meta(ge=0)]
Percent = Annotated[float, msgspec.Meta(ge=0, le=100)]
Word = Annotated[str, msgspec.Meta(min_length=1)]
Options = dict[str, Any]

NO_MASKS = "none"
"""Selector of a row that shows accuracies alone."""


class _Table(msgspec.Struct, forbid_unknown_fields=True, rename="kebab", kw_only=True):
    """A table of the file: what it does not declare is refused."""


class RecipeRow(_Table):
    """One row of the table: a run, seen through one selector.

    Attributes:
        published: Name of the row in the published table of the dataset; None for numbers that
            stand in the recipe, or for no published numbers.
        selector: Selector of the masks; `none` for accuracies alone; None for the leading one.
        values: Published figures in percent by column, where the row is of no published table.
        samples: Number of samples that `values` are over.
    """

    published: Word | None = None
    selector: Word | None = None
    values: dict[str, Percent] | None = None
    samples: Positive | None = None


class RecipeRun(_Table):
    """One run of the recipe, over one or several datasets.

    Entries that are absent have the defaults of `pixfoundation run`.

    Attributes:
        name: Name of the run; with that of the dataset it is the name of the run directory.
        model: Name, hub id or folder of the model.
        dataset: Names of one or several datasets.
        data_root: Folder of the dataset, relative to the recipe.
        segmenter: Name of the segmenter; `none` to load none.
        grounder: Name of the grounder.
        protocols: Protocols to ask.
        limit: Run over the first samples only.
        batch_size: Number of samples per batch.
        max_new_tokens: Greatest number of tokens per answer.
        temperature: Sampling temperature.
        seed: Seed of the random points.
        device: Device of the models.
        dtype: Precision of the weights.
        attn: Attention implementation.
        quantization: `8bit` or `4bit`.
        revision: Branch, tag or commit of the model.
        model_options: Further options of the model.
        dataset_options: Further options of the dataset.
        grounder_options: Further options of the grounder.
        variants: Kinds of variants to ask about in addition.
        per_kind: Number of variants of each kind.
        controls: Controls to run in addition.
        judge: Whether the recipe's judge looks at this run; or the tasks that it has here.
        rows: The rows of the table that this run gives; empty for one row, by the leading selector.
    """

    name: Word
    model: Word
    dataset: Word | Annotated[list[Word], msgspec.Meta(min_length=1)]
    data_root: Word | None = None
    segmenter: Word | None = None
    grounder: Word | None = None
    protocols: Annotated[list[Protocol], msgspec.Meta(min_length=1)] | None = None
    limit: Positive | None = None
    batch_size: Positive | None = None
    max_new_tokens: Positive | None = None
    temperature: Annotated[float, msgspec.Meta(ge=0)] | None = None
    seed: Natural | None = None
    device: Word | None = None
    dtype: Word | None = None
    attn: Word | None = None
    quantization: Word | None = None
    revision: Word | None = None
    model_options: Options = {}
    dataset_options: Options = {}
    grounder_options: Options = {}
    variants: list[Word] = []
    per_kind: Positive | None = None
    controls: list[Word] = []
    judge: bool | list[Word] = True
    rows: list[RecipeRow] = []

    def tasks(self, judge: RecipeJudge | None) -> tuple[str, ...]:
        """Return what the recipe's judge does with this run; empty for nothing."""
        if judge is None or not self.judge:
            return ()
        return judge.tasks if self.judge is True else tuple(self.judge)

    @property
    def datasets(self) -> tuple[str, ...]:
        """The names of the datasets."""
        return (self.dataset,) if isinstance(self.dataset, str) else tuple(self.dataset)


class RecipeJudge(_Table):
    """The judge of the recipe.

    Attributes:
        model: The judge's model.
        backend: A name of `pixfoundation judges`.
        base_url: Address of the endpoint.
        tasks: Any of `grade`, `pick` and `concept`.
        temperature: The judge's temperature.
        at_once: Number of concurrent requests.
        options: Further options of the backend.
    """

    model: Word
    backend: Word = "openai"
    base_url: Word | None = None
    tasks: tuple[Word, ...] = ("grade", "pick")
    temperature: Annotated[float, msgspec.Meta(ge=0)] | None = None
    at_once: Positive | None = None
    options: Options = {}


class RecipeEngine(_Table):
    """Who does the work.

    Attributes:
        name: Name of the engine.
        options: Its options, such as `workers`.
    """

    name: Word
    options: Options = {}

    @property
    def named_options(self) -> Options:
        """The options under their names in Python."""
        return {name.replace("-", "_"): value for name, value in self.options.items()}


class ReproductionRecipe(_Table):
    """A recipe.

    Attributes:
        title: What it reproduces.
        runs: The runs, in the order in which they are made.
        description: More about it.
        rules: `default`, `published`, or a file of conventions, relative to the recipe.
        source: Where the figures that stand in the recipe come from.
        out: Folder of the run directories; None for `runs/<name of the recipe>`.
        judge: The judge; None for none.
        engine: The engine; None for this process.
        replicates: Number of bootstrap draws of the intervals.
    """

    title: Word
    runs: Annotated[list[RecipeRun], msgspec.Meta(min_length=1)]
    description: str = ""
    rules: Word = "default"
    source: str = ""
    out: Word | None = None
    judge: RecipeJudge | None = None
    engine: RecipeEngine | None = None
    replicates: Natural = 1000


T = TypeVar("T", bound=_Table)


def shipped_recipes() -> dict[str, Path]:
    """Return the files of the recipes that come with the package, by name."""
    folder = Path(str(files("pixfoundation.reproduction") / "recipes"))
    return {file.stem: file for file in sorted(folder.glob("*.toml"))}


def find_recipe(name: str | Path) -> Path:
    """Return the file of a recipe.

    Args:
        name: Name of a shipped recipe, or a file.

    Raises:
        UnknownNameError: If there is neither.
    """
    shipped = shipped_recipes()
    if str(name) in shipped:
        return shipped[str(name)]
    file = Path(name)
    if file.suffix == ".toml" or exists(file):
        return file
    raise UnknownNameError("recipe", str(name), shipped)


def read_recipe(file: Path) -> ReproductionRecipe:
    """Read a recipe; names of models, datasets and the like are looked up by `check_recipe`.

    Args:
        file: The TOML file. Its table `defaults` holds entries that all runs share.

    Raises:
        DataError: If it cannot be read, or an entry is not known or not valid.
    """
    data = read_toml(file)
    defaults = data.pop("defaults", {})
    if not isinstance(defaults, dict):
        raise DataError(f"{file}: defaults: expected a table of entries of a run.")
    _refuse_unknown(file, "defaults", cast("Options", defaults), RecipeRun)
    runs = data.get("runs", [])
    if not isinstance(runs, list) or not all(
        isinstance(run, dict) for run in cast("list[object]", runs)
    ):
        raise DataError(f"{file}: runs: expected tables, written as [[runs]].")
    own = cast("list[Options]", runs)
    _refuse_unknown(file, "", data, ReproductionRecipe)
    for place, run in enumerate(own):
        where = _place_of(place, run)
        _refuse_unknown(file, where, run, RecipeRun)
        rows = run.get("rows", [])
        for number, row in enumerate(cast("list[object]", rows) if isinstance(rows, list) else ()):
            if isinstance(row, dict):
                entries = cast("Options", row)
                _refuse_unknown(file, f"{where}.rows[{number}]", entries, RecipeRow)
        _read(file, where, {**defaults, **run}, RecipeRun)
    for key, kind in (("judge", RecipeJudge), ("engine", RecipeEngine)):
        if isinstance(table := data.get(key), dict):
            _refuse_unknown(file, key, cast("Options", table), kind)
    data["runs"] = [{**defaults, **run} for run in own]
    recipe = _read(file, "", data, ReproductionRecipe)
    _refuse_twice(file, recipe)
    return recipe


def recipe_schema() -> dict[str, Any]:
    """Return the entries of a recipe as a JSON Schema, for editors that complete and check them.

    Names of models, datasets and the like are any text there; `check_recipe` looks them up.
    """
    schema = msgspec.json.schema(ReproductionRecipe)
    tables = schema["$defs"]
    shared = {key: value for key, value in tables["RecipeRun"].items() if key != "required"}
    tables["Defaults"] = {**shared, "title": "Defaults", "description": "Entries of all runs."}
    tables["RecipeRun"]["required"] = ["name"]  # all others may stand in the defaults
    tables["ReproductionRecipe"]["properties"]["defaults"] = {"$ref": "#/$defs/Defaults"}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _place_of(place: int, run: Mapping[str, Any]) -> str:
    """Return how messages name a run: its place in the file, and its name."""
    name = run.get("name")
    return f"runs[{place}] ({name})" if isinstance(name, str) and name else f"runs[{place}]"


def _read(file: Path, where: str, data: Options, kind: type[T]) -> T:
    try:
        return convert(data, kind)
    except UnreadableError as error:
        place = ".".join(part for part in (where, error.field) if part)
        raise DataError(f"{file}: {f'{place}: ' if place else ''}{error.reason}.") from error


def _refuse_unknown(file: Path, where: str, data: Options, kind: type[_Table]) -> None:
    known = [field.encode_name for field in msgspec.structs.fields(kind)]
    if kind is ReproductionRecipe:
        known.append("defaults")
    for key in data:
        if key not in known:
            near = get_close_matches(key.replace("_", "-"), known, n=1, cutoff=0.5)
            hint = f"Did you mean {near[0]!r}? " if near else ""
            place = f"{where}.{key}" if where else key
            raise DataError(
                f"{file}: {place}: there is no such entry. {hint}Known: {', '.join(sorted(known))}."
            )


def _refuse_twice(file: Path, recipe: ReproductionRecipe) -> None:
    """Raise DataError if two runs would share one run directory, or a column is not known."""
    seen: set[tuple[str, str]] = set()
    for place, run in enumerate(recipe.runs):
        where = f"{file}: {_place_of(place, {'name': run.name})}"
        for dataset in run.datasets:
            if (run.name, dataset) in seen:
                raise DataError(f"{where}: there is another run of that name over {dataset!r}.")
            seen.add((run.name, dataset))
        if set(run.name) & set("/\\\0") or run.name in (".", ".."):
            raise DataError(f"{where}.name: expected a name that can be one of a folder.")
        for number, row in enumerate(run.rows):
            _check_row(f"{where}.rows[{number}]", row, run.datasets)


def _check_row(where: str, row: RecipeRow, datasets: Sequence[str]) -> None:
    if row.values is None:
        if row.samples is not None:
            raise DataError(f"{where}.samples: it belongs to `values`, which are missing.")
        return
    if row.published is not None:
        raise DataError(f"{where}: expected either `published` or `values`, but found both.")
    if len(datasets) > 1:
        raise DataError(f"{where}.values: they are of one dataset, but the run is over several.")
    if unknown := [column for column in row.values if column not in COLUMNS]:
        raise DataError(
            f"{where}.values: there is no figure {unknown[0]!r}. Known: {', '.join(COLUMNS)}."
        )
