"""A model under a control: the same interface, other images or other weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from pixfoundation.controls.kinds import OF_WEIGHTS, ChangedImages, Control
from pixfoundation.conventions import DEFAULT, ModelConventions
from pixfoundation.errors import DataError
from pixfoundation.forward import Forward, Need
from pixfoundation.models.base import (
    Decoding,
    GivenAnswer,
    GivesForwards,
    KeepsImage,
    Model,
    ReadsAnswers,
)
from pixfoundation.models.interventions import RandomisesWeights
from pixfoundation.recipe import Made
from pixfoundation.types import Answer, Prompt, Sample


class ControlledModel:
    """A model that sees what a control lets it see.

    Attributes:
        name: Name of the model.
        capabilities: What the model offers.
        templates: The model's prompt templates.
        weights: The block in which the model has the weights of the control, entered and kept open;
            None if the caller opens it.
    """

    def __init__(self, model: Model, control: Control, images: ChangedImages, seed: int) -> None:
        """Wrap a model.

        Args:
            model: The model; its weights are changed by whoever asks it.
            control: The control.
            images: Changes the images.
            seed: Seed of the control.
        """
        self.name, self.capabilities, self.templates = (
            model.name,
            model.capabilities,
            model.templates,
        )
        self._model, self._control, self._images, self._seed = model, control, images, seed
        self._last: tuple[Image.Image, str, Image.Image] | None = None
        self.weights: AbstractContextManager[None] | None = None

    def answer(
        self, images: Sequence[Image.Image], prompts: Sequence[Prompt], decoding: Decoding
    ) -> list[Answer]:
        """Answer each prompt about what the control makes of the image at the same index."""
        return self._model.answer(self._changed(images, prompts), prompts, decoding)

    def read(
        self,
        images: Sequence[Image.Image],
        prompts: Sequence[Prompt],
        written: Sequence[GivenAnswer],
        decoding: Decoding,
    ) -> list[Answer]:
        """Read the given answers about what the control makes of the images.

        Raises:
            DataError: If the model cannot read answers.
        """
        if not isinstance(self._model, ReadsAnswers):
            raise DataError(f"The model {self.name!r} cannot read the answers of another run.")
        return self._model.read(self._changed(images, prompts), prompts, written, decoding)

    def lacks(self, needs: frozenset[Need]) -> str | None:
        """Return why the model cannot give what a reading needs; None if it can."""
        if not isinstance(self._model, GivesForwards):
            return "it offers no pass over prompt and answer"
        return self._model.lacks(needs)

    def forward(
        self,
        image: Image.Image,
        prompt: Prompt,
        token_ids: Sequence[int],
        conventions: ModelConventions = DEFAULT.model,
    ) -> Forward:
        """Return the pass over a prompt and an answer, about what the control makes of the image.

        Raises:
            DataError: If the model offers no such pass.
        """
        if not isinstance(self._model, GivesForwards):
            raise DataError(f"The model {self.name!r} offers no pass over prompt and answer.")
        changed = self._changed([image], [prompt])[0]
        return self._model.forward(changed, prompt, token_ids, conventions)

    def forget_image(self) -> None:
        """Free what the model computed of the last image."""
        self._last = None
        if isinstance(self._model, KeepsImage):
            self._model.forget_image()

    def take_files(self, files: Mapping[Path, bytes | str]) -> None:
        """Take the content of other images, where they cannot be read by their path."""
        self._images.take_files(files)

    def fingerprint(self) -> dict[str, Any]:
        """Return what identifies the model and the control, as JSON data."""
        control = {"name": self._control.name, "seed": self._seed}
        return {**self._model.fingerprint(), "control": control}

    def _changed(
        self, images: Sequence[Image.Image], prompts: Sequence[Prompt]
    ) -> list[Image.Image]:
        """Return the changed images; the same object again for the same image again."""
        changed: list[Image.Image] = []
        for image, prompt in zip(images, prompts, strict=True):
            last = self._last
            if last is None or last[0] is not image or last[1] != prompt.sample:
                last = (image, prompt.sample, self._images.change(image, prompt.sample))
                self._last = last
            changed.append(last[2])
        return changed


def weights_under(control: Control, model: Model, seed: int) -> AbstractContextManager[None]:
    """Return a block in which a model has the weights of a control."""
    if control.kind in OF_WEIGHTS and isinstance(model, RandomisesWeights):
        return model.randomised(control.layers, seed)
    return nullcontext()


@dataclass(frozen=True, slots=True, eq=False)
class ControlledRecipe:
    """How a worker makes a model under a control.

    Attributes:
        model: How the model is made.
        control: The control.
        images: Changes the images.
        seed: Seed of the control.
    """

    model: Made[Model]
    control: Control
    images: ChangedImages
    seed: int

    def make(self, load: Callable[..., Any]) -> ControlledModel:
        """Load the model; the process is for this control only, so the weights stay changed."""
        model = self.model.make(load)
        weights = weights_under(self.control, model, self.seed)
        weights.__enter__()
        made = ControlledModel(model, self.control, self.images, self.seed)
        made.weights = weights  # kept, since a block that is collected puts the weights back
        return made

    def portable(self, **defaults: Any) -> ControlledRecipe:
        """Return how it is made in another process."""
        made = self.model.portable(**defaults)
        return ControlledRecipe(made, self.control, self.images, self.seed)

    def files_of(self, sample: Sample) -> Sequence[Path]:
        """Return the files that the model needs for the questions about a sample."""
        return self.images.files_of(sample)
