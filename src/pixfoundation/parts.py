"""Models and segmenters as recipes, so that workers in other processes can make them too."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Generic, TypeVar

from pixfoundation.conventions import DEFAULT, Conventions
from pixfoundation.errors import DataError
from pixfoundation.grounding.base import asks_forward
from pixfoundation.loading import load_grounder, load_model, load_segmenter, remembered
from pixfoundation.models.base import Decoding, Model, ReadsAnswers
from pixfoundation.prompts import PromptTemplates
from pixfoundation.runs.answering import AnsweringWorker
from pixfoundation.runs.config import (
    GroundingDescription,
    ModelDescription,
    SegmenterDescription,
)
from pixfoundation.segmenters.base import AnySegmenter

P = TypeVar("P")


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a model or a segmenter is loaded: its name and options.

    Attributes:
        name: A name, a hub id or a folder, as for `load_model`.
        options: Options, as for `load_model`.
    """

    name: str
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def with_default(self, **options: Any) -> Recipe:
        """Return the recipe with options that it does not set itself."""
        return Recipe(self.name, {**options, **self.options})

    def anywhere(self) -> Recipe:
        """Return the recipe with a local folder by its absolute path."""
        folder = Path(self.name)
        return replace(self, name=str(folder.resolve())) if folder.is_dir() else self


@dataclass(frozen=True, slots=True, eq=False)
class Ready(Generic[P]):
    """A part that is there; another process gets a copy of it.

    Attributes:
        part: The part.
    """

    part: P


@dataclass(frozen=True, slots=True)
class PartsDescription:
    """What identifies the parts of a worker.

    Attributes:
        model: The model.
        segmenter: The segmenter; None without one.
        grounding: The grounder; nothing is set without one.
        templates: How the model is asked.
        reads_answers: Whether the model can read the answers of others.
        version: Version of this package.
    """

    model: ModelDescription
    segmenter: SegmenterDescription | None
    grounding: GroundingDescription
    templates: PromptTemplates
    reads_answers: bool
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PartsFactory:
    """Makes the worker of a run.

    Attributes:
        model: The model.
        segmenter: The segmenter; None for native masks.
        grounder: Name of the grounder; None to choose it by the model's capabilities.
        grounder_options: Options of the grounder.
        conventions: The rules of models and grounders.
        decoding: How answers are decoded.
        seed: Seed of the random points.
        replaceable: Whether another process takes over where the device is lost.
    """

    model: Recipe | Ready[Model]
    segmenter: Recipe | Ready[AnySegmenter] | None
    grounder: str | None = None
    grounder_options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    conventions: Conventions = DEFAULT
    decoding: Decoding = field(default_factory=Decoding)
    seed: int = 2024
    replaceable: bool = False

    def __call__(self) -> AnsweringWorker:
        """Load the parts.

        Raises:
            CheckpointError: If weights are missing or damaged.
            DataError: If an option does not fit.
            PrerequisiteError: If a package is missing.
            UnknownNameError: If a name is not known here.
        """
        model = _made(self.model, load_model)
        segmenter = None if self.segmenter is None else _made(self.segmenter, load_segmenter)
        grounder = load_grounder(
            model,
            segmenter,
            self.grounder,
            conventions=self.conventions.grounding,
            **self.grounder_options,
        )
        if self.grounder_options and grounder is None:
            raise DataError("`grounder_options` were given, but nothing is grounded in this run.")
        attention = grounder is not None and "attention" in grounder.uses
        description = PartsDescription(
            describe_model(model),
            SegmenterDescription.of(segmenter.name, segmenter.fingerprint()) if segmenter else None,
            GroundingDescription.of(grounder.name, grounder.fingerprint())
            if grounder
            else GroundingDescription(),
            model.templates,
            isinstance(model, ReadsAnswers),
            version("pixfoundation"),
        )
        return AnsweringWorker(
            model,
            grounder,
            segmenter,
            replace(self.decoding, attention=attention, forward=asks_forward(grounder)),
            self.seed,
            description,
            self.replaceable,
        )


def recipe_of(part: P | str | Recipe) -> Recipe | Ready[P]:
    """Return how a part is made in this process: a part that is there, or one by its name."""
    if isinstance(part, Recipe):
        return part
    return Recipe(part) if isinstance(part, str) else Ready(part)


def portable(made: Recipe | Ready[P]) -> Recipe | Ready[P]:
    """Return how a part is made in another process: by name, if it was loaded by name."""
    if isinstance(made, Ready):
        loaded = remembered(made.part)
        if loaded is None:
            return made
        made = Recipe(*loaded)
    return made.anywhere()


def describe_model(model: Model) -> ModelDescription:
    """Return what identifies a model; of a folder, only the last part of the path."""
    folder = Path(model.name)
    name = folder.resolve().name if folder.is_dir() else model.name
    return ModelDescription.of(
        name, {**model.fingerprint(), "templates": model.templates.to_json()}
    )


def _made(made: Recipe | Ready[P], load: Callable[..., Any]) -> P:
    return made.part if isinstance(made, Ready) else load(made.name, **made.options)
