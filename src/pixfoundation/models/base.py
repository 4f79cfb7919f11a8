"""What a model is to the rest of the package, and where models are found by name."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from PIL import Image

from pixfoundation.conventions import DEFAULT, ModelConventions
from pixfoundation.errors import DataError
from pixfoundation.forward import Forward, Need
from pixfoundation.models.card import Capability
from pixfoundation.prompts import PromptTemplates
from pixfoundation.registry import Registry
from pixfoundation.types import Answer, Ended, Prompt
from pixfoundation.wording import listed

__all__ = [
    "Capability",
    "Decoding",
    "GivenAnswer",
    "GivesForwards",
    "HasPublishedRowConvention",
    "KeepsImage",
    "KeepsLog",
    "Model",
    "ModelFactory",
    "ReadsAnswers",
    "TakesFiles",
    "models",
]


@dataclass(frozen=True, slots=True)
class Decoding:
    """How answers are decoded.

    Attributes:
        max_new_tokens: Upper bound on the answer's length, stop token included.
        temperature: 0 for greedy decoding; sampling above it.
        seed: Seed of the sampling.
        attention: Whether the answers must carry an `AttentionTrace`.
        forward: Whether the answers must carry their `Forward`, for readings that need more than
            that trace; the model must be a `GivesForwards`.
        conventions: Rules of the model adapters, such as how text and masks are paired.

    Raises:
        DataError: If a number is out of range.
    """

    max_new_tokens: int = 256
    temperature: float = 0.0
    seed: int = 2024
    attention: bool = False
    forward: bool = False
    conventions: ModelConventions = DEFAULT.model

    def __post_init__(self) -> None:
        if self.max_new_tokens < 1:
            raise DataError(f"`max_new_tokens` must be at least 1, but got {self.max_new_tokens}.")
        if not 0 <= self.temperature < math.inf:
            raise DataError(f"`temperature` must be 0 or above, but got {self.temperature}.")
        if self.seed < 0:
            raise DataError(f"`seed` must be 0 or above, but got {self.seed}.")


class Model(Protocol):
    """A multimodal language model.

    Attributes:
        name: The name it was loaded by.
        capabilities: What it offers in addition to text: `attention` to the image, native `masks`,
            `coordinates` in its text. Empty for text only.
        templates: The model's prompt templates.
    """

    name: str
    capabilities: frozenset[Capability]
    templates: PromptTemplates

    def answer(
        self, images: Sequence[Image.Image], prompts: Sequence[Prompt], decoding: Decoding
    ) -> list[Answer]:
        """Answer each prompt about the image at the same index.

        Args:
            images: RGB images; the same object again means the same image, so that an adapter can
                pay for it once.
            prompts: One prompt per image.
            decoding: How the answers are decoded.

        Returns:
            One answer per prompt, in order. An answer with an `error` is recorded as a failure, and
            the run continues.
        """
        ...

    def fingerprint(self) -> dict[str, Any]:
        """Return what identifies the weights and settings, as JSON data for the run's record."""
        ...


@dataclass(frozen=True, slots=True)
class GivenAnswer:
    """An answer that somebody else wrote, to be read by a model.

    Attributes:
        text: The answer alone, without thoughts.
        token_ids: The tokens that were generated, those of thoughts and the stop token included;
            empty if they are not known.
        thoughts: What was thought before the answer; empty if nothing is known of it.
        ended: Why the answer ended; None is read as `stop`.
        error: Why there is no answer, in one sentence; None if there is one.
    """

    text: str
    token_ids: tuple[int, ...] = ()
    thoughts: str = ""
    ended: Ended | None = None
    error: str | None = None


@runtime_checkable
class ReadsAnswers(Protocol):
    """A model that can read answers of others by one teacher-forced forward instead of generating.

    The attention of that forward is that of generating where weights, prompt, precision and tokens
    are the same.
    """

    def read(
        self,
        images: Sequence[Image.Image],
        prompts: Sequence[Prompt],
        written: Sequence[GivenAnswer],
        decoding: Decoding,
    ) -> list[Answer]:
        """Read the given answer to each prompt about the image at the same index.

        Args:
            images: RGB images; the same object again means the same image.
            prompts: One prompt per image.
            written: One answer per prompt.
            decoding: Whether attention is captured, and the rules of the adapter.

        Returns:
            One answer per prompt, in order, with the given text. One that cannot be read has an
            `error`.
        """
        ...


@runtime_checkable
class KeepsLog(Protocol):
    """A model that has something to log; a run tells it where."""

    def log_in(self, folder: Path) -> None:
        """Keep the log in a folder from now on."""
        ...


@runtime_checkable
class KeepsImage(Protocol):
    """A model that keeps what it computed of the last image, for further questions about it."""

    def forget_image(self) -> None:
        """Free that memory."""
        ...


@runtime_checkable
class TakesFiles(Protocol):
    """A model that looks at other image files than those of its questions."""

    def take_files(self, files: Mapping[Path, bytes | str]) -> None:
        """Take files for the questions that follow, where they cannot be read by their path.

        Args:
            files: The content of each file, or why it cannot be read.
        """
        ...


@runtime_checkable
class GivesForwards(Protocol):
    """A model whose answers can carry the pass over prompt and answer, for readings."""

    def lacks(self, needs: frozenset[Need]) -> str | None:
        """Return in one sentence why the model cannot give what a reading needs; None if it can."""
        ...

    def forward(
        self,
        image: Image.Image,
        prompt: Prompt,
        token_ids: Sequence[int],
        conventions: ModelConventions = DEFAULT.model,
    ) -> Forward:
        """Return the pass over a prompt about an image and an answer to it.

        Args:
            image: The RGB image.
            prompt: The prompt.
            token_ids: Ids of the answer's tokens, those of thoughts and the stop token included.
            conventions: The rules by which the model was asked.
        """
        ...


@runtime_checkable
class HasPublishedRowConvention(Protocol):
    """A model whose published evaluation reads attention by a convention of its own.

    Attributes:
        published_row_convention: The name of that convention, see `attention.row_convention`.
    """

    published_row_convention: str


ModelFactory = Callable[..., Model]
"""`factory(name, *, device=None, dtype=None, **options) -> Model`: loads the weights."""

models: Registry[ModelFactory] = Registry("model", group="pixfoundation.models")


def describe_model(model: Model) -> str:
    """Return what a model is as a short table, one line for each setting of its fingerprint."""
    settings = [
        (name, value)
        for name, value in model.fingerprint().items()
        if name != "name" and isinstance(value, str | int | float)
    ]
    gives = ", ".join(sorted(model.capabilities)) or "text alone"
    return listed(model.name, [("gives", gives), *settings])
