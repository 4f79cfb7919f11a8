"""Runs the whole pipeline of a run again under controls, into folders of that run.

Each control is a run directory of its own, `controls/<name>`, with the samples, the ground truth
and the settings of the run, so that every command reads it, and the same call continues it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

from pixfoundation.attention.row_convention import PRESETS
from pixfoundation.causes.levels import FOLDER, usual_protocols
from pixfoundation.causes.targets import GROUNDER, decoding_of
from pixfoundation.controls.kinds import (
    OF_WEIGHTS,
    ChangedImages,
    Control,
    ControlKind,
    cascade_levels,
)
from pixfoundation.controls.models import ControlledModel, ControlledRecipe, weights_under
from pixfoundation.engines import Engine, InProcess
from pixfoundation.engines.local import Alone
from pixfoundation.engines.names import engine_of
from pixfoundation.errors import DataError, RunError
from pixfoundation.evaluation import RunOptions, evaluate
from pixfoundation.grounding import grounders
from pixfoundation.models.base import Model
from pixfoundation.parts import PartsDescription, PartsFactory
from pixfoundation.reading.base import require_reading
from pixfoundation.recipe import Made, Ready, made_by, recipe_of
from pixfoundation.runs.answering import AnsweringWorker
from pixfoundation.runs.collect import Progress
from pixfoundation.runs.config import ModelDescription
from pixfoundation.runs.identity import check_model
from pixfoundation.runs.store import RunDirectory
from pixfoundation.segmenters.base import AnySegmenter
from pixfoundation.types import Protocol, Sample

LEVELS = 3


@dataclass(frozen=True, slots=True)
class ControlOptions:
    """Which controls are run, and over what.

    Attributes:
        kinds: The kinds of controls.
        levels: Number of levels of a cascade, evenly spaced from the top down.
        protocols: Protocols that are asked; None for 2 and 3, as far as the run has them, and 1 in
            the place of 3 where nothing is asked that.
        limit: Number of samples, from the first; None for all.
        batch_size: Number of samples per batch.
        read_answers: Whether the model reads the answers of the run under the control, so that
            phrases stay the same and only the look changes, instead of writing its own.
        seed: Seed of random weights and shuffled patches.

    Raises:
        DataError: If an option is out of range.
    """

    kinds: tuple[ControlKind, ...] = tuple(ControlKind)
    levels: int = LEVELS
    protocols: tuple[Protocol, ...] | None = None
    limit: int | None = None
    batch_size: int = 1
    read_answers: bool = False
    seed: int = 2024

    def __post_init__(self) -> None:
        if not self.kinds:
            raise DataError(f"`kinds` must name some of {', '.join(ControlKind)}, but is empty.")
        if self.levels < 1:
            raise DataError(f"`levels` must be at least 1, but got {self.levels}.")
        if self.limit is not None and self.limit < 1:
            raise DataError(f"`limit` must be at least 1, but got {self.limit}.")


@dataclass(frozen=True)
class SamplesOfRun:
    """The samples of a run as a dataset.

    Attributes:
        name: Name of the dataset.
        samples: The samples.
        notes: Notes of the dataset.
    """

    name: str
    samples: Sequence[Sample]
    notes: tuple[str, ...]
    own_fingerprint: str

    def fingerprint(self) -> str:
        """Return the fingerprint that the run recorded."""
        return self.own_fingerprint

    def check(self) -> list[Any]:
        """Return no complaints: the samples were checked when the run was made."""
        return []


def run_controls(
    run: RunDirectory,
    model: Model | Made[Model] | str,
    segmenter: AnySegmenter | Made[AnySegmenter] | str | None,
    options: ControlOptions | None = None,
    *,
    on_start: Callable[[str], Callable[[Progress], None]] = lambda name: lambda progress: None,
    engine: Engine | str | None = None,
) -> dict[str, RunDirectory]:
    """Run the pipeline of a run again under controls.

    Args:
        run: The run directory. Controls that it holds are continued.
        model: The model of the run, or its name or `Recipe`, by which workers load it. Its weights
            are as they were when this returns.
        segmenter: The segmenter of the run, or its name or `Recipe`; None if it has none.
        options: Which controls are run.
        on_start: Called with the name of each control; returns what is called with its progress.
        engine: Who does the work, with new workers for each control; this process by default.

    Returns:
        The run directories of the controls by name.

    Raises:
        DataError: If a control does not fit the samples.
        RunError: If the run is one of another model, segmenter or grounder, the model's weights
            cannot be replaced, or a directory cannot be written.
    """
    options, own_engine = options or ControlOptions(), engine_of(engine)
    if run.config.imported:
        raise RunError(
            f"{run.path} was imported from files: its pipeline cannot be run again. Controls need "
            "a run that `pixfoundation run` made."
        )
    protocols = _protocols(run, options)
    usual = protocols == usual_protocols(run)
    _check_what_is_there(run, recipe_of(model), None if segmenter is None else recipe_of(segmenter))
    pipeline = _pipeline(run, model, segmenter, own_engine)
    with own_engine.open(pipeline) as crew:
        parts: PartsDescription = crew.describe()
        here = crew.worker if isinstance(crew, Alone) else None
    _check_parts(run, parts)
    chosen = _controls(parts, options)
    if options.read_answers and not parts.reads_answers:
        raise RunError(f"The model {parts.model.name!r} cannot read the answers of a run.")
    made: dict[str, RunDirectory] = {}
    for control in chosen:
        images = ChangedImages(control, run.samples, options.seed)
        samples = [s for s in list(run.samples.values())[: options.limit] if images.has(s)]
        settings = RunOptions(
            protocols=protocols,
            batch_size=options.batch_size,
            decoding=decoding_of(run),
            seed=run.config.seed,
            grounder=run.config.grounding.name,
            grounder_options=pipeline.grounder_options,
            conventions=run.config.conventions,
            max_failures_in_a_row=0,
            answers=run.path if options.read_answers else None,
            engine=own_engine,
        )
        folder = _folder(control, options.read_answers, None if usual else protocols)
        data, out = _samples_of(run, samples), run.path / FOLDER / folder
        on_progress = on_start(control.name)
        if isinstance(here, AnsweringWorker):  # the parts are there: they are loaded once
            with weights_under(control, here.model, options.seed):
                controlled = ControlledModel(here.model, control, images, options.seed)
                made[control.name] = evaluate(
                    controlled, data, here.segmenter, out=out, on_progress=on_progress, **settings
                )
        else:
            recipe = ControlledRecipe(pipeline.model, control, images, options.seed)
            made[control.name] = evaluate(
                recipe, data, pipeline.segmenter, out=out, on_progress=on_progress, **settings
            )
    return made


def _folder(control: Control, reads: bool, protocols: tuple[Protocol, ...] | None) -> str:
    """Return the name of a control's folder; protocols are named unless they are the usual ones."""
    parts = [control.name, *(["read"] if reads else ())]
    if protocols is not None:
        parts += ["protocols" if len(protocols) > 1 else "protocol", *map(str, protocols)]
    return "-".join(parts)


def _pipeline(
    run: RunDirectory,
    model: Model | Made[Model] | str,
    segmenter: AnySegmenter | Made[AnySegmenter] | str | None,
    engine: Engine,
) -> PartsFactory:
    """Return how model, segmenter and grounder of a run are made again."""
    if run.config.grounding.name is None:
        raise RunError(f"{run.path} was not grounded: there is nothing to control.")
    return PartsFactory(
        model=made_by(engine, model, placed=True),
        segmenter=None if segmenter is None else made_by(engine, segmenter),
        grounder=run.config.grounding.name,
        grounder_options=_grounder_options(run),
        conventions=run.config.conventions,
        decoding=decoding_of(run),
        seed=run.config.seed,
        replaceable=not isinstance(engine, InProcess),
    )


def _samples_of(run: RunDirectory, samples: Sequence[Sample]) -> SamplesOfRun:
    recorded = run.config.dataset
    name, fingerprint = recorded.name or "dataset", recorded.fingerprint or ""
    return SamplesOfRun(name, samples, recorded.notes, fingerprint)


def _controls(parts: PartsDescription, options: ControlOptions) -> list[Control]:
    controls: list[Control] = []
    for kind in options.kinds:
        if kind not in OF_WEIGHTS:
            controls.append(Control(kind))
            continue
        if parts.random_depth is None:
            raise RunError(
                f"The weights of the model {parts.model.name!r} cannot be replaced: leave out the "
                f"controls {' and '.join(OF_WEIGHTS)}, or use an image-text-to-text model of "
                "transformers."
            )
        if kind is ControlKind.RANDOM_WEIGHTS:
            controls.append(Control(kind))
        else:
            levels = cascade_levels(parts.random_depth, options.levels)
            controls += [Control(kind, layers) for layers in levels]
    return controls


def _protocols(run: RunDirectory, options: ControlOptions) -> tuple[Protocol, ...]:
    available = run.config.protocols
    requested = usual_protocols(run) if options.protocols is None else options.protocols
    if missing := [number for number in requested if number not in available]:
        raise RunError(
            f"{run.path} has no answers to protocol {missing[0]} to compare with. It has protocols "
            f"{', '.join(map(str, available))}."
        )
    return requested


def _check_parts(run: RunDirectory, parts: PartsDescription) -> None:
    """Check that model, segmenter and grounder are those of a run.

    Raises:
        RunError: If one differs; the message says in what.
    """
    check_model(run, DescribedModel(parts.model))
    _check_segmenter(run, {} if parts.segmenter is None else parts.segmenter.to_json())
    grounding: Any = parts.grounding
    _refuse_differences(run, "grounder", run.config.grounding.to_json(), grounding.to_json())


def _check_what_is_there(
    run: RunDirectory, model: Made[Model], segmenter: Made[AnySegmenter] | None
) -> None:
    """Check what needs no loading, as `_check_parts` does."""
    if isinstance(model, Ready):
        check_model(run, model.part)
    if segmenter is None:
        _check_segmenter(run, {})
    elif isinstance(segmenter, Ready):
        part = segmenter.part
        _check_segmenter(run, {"name": part.name, **part.fingerprint()})


def _check_segmenter(run: RunDirectory, now: dict[str, Any]) -> None:
    recorded = run.config.segmenter
    before: dict[str, Any] = {} if recorded is None else recorded.to_json()
    for settings in (before, now):
        settings["name"] = Path(str(settings.get("name", ""))).name
    _refuse_differences(run, "segmenter", before, now)


@dataclass(frozen=True, slots=True)
class DescribedModel:
    """A model by its description."""

    description: ModelDescription

    @property
    def name(self) -> str:
        """Name of the model."""
        return str(self.description.name)

    def fingerprint(self) -> dict[str, Any]:
        """Return what identifies the model."""
        return self.description.to_json()


def _grounder_options(run: RunDirectory) -> dict[str, Any]:
    """Return the options with which the grounder of a run is loaded again."""
    recorded: Any = run.config.grounding
    fields: dict[str, Any] = recorded.to_json()
    before = {key: value for key, value in fields.items() if key != "name"}
    return (
        _attend_options(before) if recorded.name == GROUNDER else _same_names(recorded.name, before)
    )


def _attend_options(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of attend-and-segment that its recorded settings come from."""
    options = {key: settings[key] for key in ("prompt", "points", "rank", "threshold")}
    options |= {key: settings["phrases"][key] for key in ("pronouns", "fallback")}
    if "maps" in settings:
        require_reading(str(settings["maps"]["reading"]), settings.get("reading_module"))
        return options | dict(settings["maps"])
    presets = [name for name, row in PRESETS.items() if _plain(asdict(row)) == settings["reading"]]
    return options | ({"preset": presets[0]} if presets else {})


def _same_names(grounder: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the recorded settings of a grounder that are named as its options."""
    known = inspect.signature(grounders.get(grounder)).parameters
    return {
        key: value
        for key, value in settings.items()
        if key in known and key not in ("segmenter", "conventions") and value is not None
    }


def _refuse_differences(
    run: RunDirectory, part: str, before: Mapping[str, Any], now: Mapping[str, Any]
) -> None:
    differing = [
        f"{key} ({before.get(key)!r} there, {now.get(key)!r} now)"
        for key in before.keys() | now.keys()
        if _plain(before.get(key)) != _plain(now.get(key)) and key not in ("dtype", "published")
    ]
    if differing:
        raise RunError(
            f"{run.path} was made with another {part}, or with other options: it differs in "
            f"{'; '.join(sorted(differing))}."
        )


def _plain(value: Any) -> Any:
    """Return a value as JSON would: tuples as lists."""
    if isinstance(value, Mapping):
        entries = cast("Mapping[object, object]", value)
        return {str(key): _plain(each) for key, each in entries.items()}
    if isinstance(value, tuple | list):
        return [_plain(each) for each in cast("list[object]", value)]
    return value
