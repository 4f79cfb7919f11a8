"""Model, segmenter and grounder together: what a worker of a run is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from typing import Any

from pixfoundation.conventions import DEFAULT, Conventions
from pixfoundation.errors import DataError
from pixfoundation.grounding.base import asks_forward
from pixfoundation.loading import check_packages, load_grounder, load_model, load_segmenter
from pixfoundation.models.base import Decoding, Model, ReadsAnswers
from pixfoundation.models.interventions import RandomisesWeights
from pixfoundation.prompts import PromptTemplates
from pixfoundation.recipe import Made, Recipe
from pixfoundation.runs.answering import AnsweringWorker
from pixfoundation.runs.config import (
    GroundingDescription,
    ModelDescription,
    SegmenterDescription,
)
from pixfoundation.segmenters.base import AnySegmenter


@dataclass(frozen=True, slots=True)
class PartsDescription:
    """What identifies the parts of a worker.

    Attributes:
        model: The model.
        segmenter: The segmenter; None without one.
        grounding: The grounder; nothing is set without one.
        templates: How the model is asked.
        reads_answers: Whether the model can read the answers of others.
        random_depth: Number of decoder layers whose weights can be replaced by random ones; None if
            the model cannot do that.
        version: Version of this package.
    """

    model: ModelDescription
    segmenter: SegmenterDescription | None
    grounding: GroundingDescription
    templates: PromptTemplates
    reads_answers: bool
    random_depth: int | None
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

    model: Made[Model]
    segmenter: Made[AnySegmenter] | None
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
        self._check_packages()
        model = self.model.make(load_model)
        segmenter = None if self.segmenter is None else self.segmenter.make(load_segmenter)
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
            model.depth if isinstance(model, RandomisesWeights) else None,
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

    def _check_packages(self) -> None:
        """Check that all packages are installed that parts to be loaded by name need."""
        made, segmenter = self.model, self.segmenter
        if isinstance(made, Recipe):
            drawn_by = segmenter.name if isinstance(segmenter, Recipe) else None
            revision = made.options.get("revision")
            check_packages(made.name, drawn_by, self.grounder, revision=revision)


def describe_model(model: Model) -> ModelDescription:
    """Return what identifies a model: the name by which it was loaded, and its fingerprint.

    Commands that ask the model of a run again load it by that name, so a folder is kept with its
    path. What is shown or published has the last part only, see `RunDirectory.name`.
    """
    return ModelDescription.of(
        model.name, {**model.fingerprint(), "templates": model.templates.to_json()}
    )
