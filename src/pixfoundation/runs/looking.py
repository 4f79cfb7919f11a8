"""A model that reads the answers of others: texts from a source, attention by one forward."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from PIL import Image

from pixfoundation.errors import DataError
from pixfoundation.models.base import (
    Capability,
    Decoding,
    GivenAnswer,
    KeepsImage,
    Model,
    ReadsAnswers,
)
from pixfoundation.prompts import PromptTemplates
from pixfoundation.runs.answer_sources import CarriedAnswers
from pixfoundation.types import Answer, Prompt

LETTER = 2
"""The protocol whose answers nobody grounds, so that no attention is read."""


class Looking:
    """A model and a source of answers as one model.

    Attributes:
        name: The model's.
        capabilities: The model's.
        templates: The model's.
        source: Where the answers come from.
    """

    def __init__(self, model: Model, source: CarriedAnswers) -> None:
        """Join them.

        Raises:
            DataError: If the model cannot read answers.
        """
        if not isinstance(model, ReadsAnswers):
            raise cannot_read(model.name)
        self.name: str = model.name
        self.capabilities: frozenset[Capability] = model.capabilities
        self.templates: PromptTemplates = model.templates
        self.source = source
        self._model, self._reader = model, model

    def answer(
        self, images: Sequence[Image.Image], prompts: Sequence[Prompt], decoding: Decoding
    ) -> list[Answer]:
        """Return the answers of the source with the model's attention; see `Model.answer`."""
        written = self.source.give(prompts)
        answers: dict[int, Answer] = {}
        for attention in (True, False):
            places = [
                i
                for i, prompt in enumerate(prompts)
                if (decoding.attention and prompt.protocol != LETTER) == attention
            ]
            if places:
                made = self._reader.read(
                    [images[i] for i in places],
                    [prompts[i] for i in places],
                    [written[i] for i in places],
                    replace(decoding, attention=attention),
                )
                answers |= {
                    i: _kept(answer, written[i]) for i, answer in zip(places, made, strict=True)
                }
        return [answers[i] for i in range(len(prompts))]

    def forget_image(self) -> None:
        """Free what the model keeps of the last image."""
        if isinstance(self._model, KeepsImage):
            self._model.forget_image()

    def fingerprint(self) -> dict[str, Any]:
        """Return the model's fingerprint."""
        return self._model.fingerprint()


def _kept(answer: Answer, written: GivenAnswer) -> Answer:
    """Return an answer that ends as it was written: what is not known stays so."""
    return answer if answer.error is not None else replace(answer, ended=written.ended)


def cannot_read(name: str) -> DataError:
    """Return the error for a model that cannot read the answers of others."""
    return DataError(
        f"The model {name!r} cannot read the answers of others: it has no `read`. Models of "
        "transformers and Cambrian-1 can. Leave `answers` out, so that it answers itself."
    )
