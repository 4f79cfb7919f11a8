"""Ground an expression in a single image: the model's answer and its candidates.

The steps are those of a run over a dataset, on an image without ground truth.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pixfoundation.errors import DataError, PixFoundationError
from pixfoundation.failures import describe
from pixfoundation.geometry import upsample
from pixfoundation.grounding.attend_and_segment import AttendAndSegment
from pixfoundation.grounding.base import Grounder, asks_forward
from pixfoundation.masks import Mask
from pixfoundation.models.asking import ask
from pixfoundation.models.base import Decoding, Model
from pixfoundation.prompts import build_prompt
from pixfoundation.types import Answer, Candidate, Phrase, Prompt, Sample

HEAT_SIDE = 1000
"""Longest side in pixels of the maps that are kept for display."""


@dataclass(frozen=True, slots=True, eq=False)
class GroundedImage:
    """A model's answer about an expression in an image, with its candidates.

    Attributes:
        image: The RGB image.
        sample: The expression as a sample without ground truth.
        prompt: The prompt that the model got.
        answer: The model's answer.
        candidates: The candidates, those of one segmenter prompt together.
        heat: For models that are grounded by attention, the map of each phrase over the whole
            image, by the phrase's span: float32 [height, width] with at most `HEAT_SIDE` pixels
            per side. Empty for other models.
    """

    image: Image.Image
    sample: Sample
    prompt: Prompt
    answer: Answer
    candidates: tuple[Candidate, ...]
    heat: dict[tuple[int, int], NDArray[np.float32]] = field(
        default_factory=dict[tuple[int, int], NDArray[np.float32]]
    )

    @property
    def phrases(self) -> list[Phrase]:
        """The phrases with candidates, in the order of the text."""
        phrases = {c.phrase.span: c.phrase for c in self.candidates if c.phrase is not None}
        return [phrases[span] for span in sorted(phrases)]

    def to_json(self) -> dict[str, Any]:
        """Return everything except the pixels as plain JSON data."""
        return {
            "expression": self.sample.expression,
            "image": str(self.sample.image),
            "size": list(self.sample.size),
            "prompt": self.prompt.text,
            "answer": self.answer.text,
            "token_ids": list(self.answer.token_ids),
            "spans": [list(span) for span in self.answer.spans],
            "candidates": [candidate.to_json() for candidate in self.candidates],
        }

    def _repr_html_(self) -> str:
        """Return the answer, and the image with the best mask of each phrase, for notebooks."""
        from pixfoundation.grounding.notebook import answer_html, masks_over_image, picture_html

        picture = masks_over_image(self.image, self.candidates, self.phrases)
        answer = answer_html(self.answer.text, self.phrases)
        return f"<div>{picture_html(picture)}<p>{answer}</p></div>"


def ground_image(
    image: Image.Image,
    expression: str,
    model: Model,
    grounder: Grounder,
    *,
    path: Path | None = None,
    prompt: str | None = None,
    decoding: Decoding | None = None,
) -> GroundedImage:
    """Ask a model about an expression in an image and ground its answer.

    Args:
        image: The RGB image.
        expression: Referring expression, such as 'the door of the yellow house'.
        model: The model to ask.
        grounder: Turns the answer into candidates.
        path: Path of the image file, for `to_json`.
        prompt: Text of the prompt instead of the model's template for protocol 3.
        decoding: How the answer is decoded; by default greedily, with the attention captured if
            the grounder needs it.

    Raises:
        DataError: If the expression is empty, the model gives no answer, or it cannot be grounded.
    """
    expression = expression.strip()
    if not expression:
        raise DataError("The expression is empty: describe the object to find in the image.")
    size = (image.height, image.width)
    sample = Sample(
        id="image",
        image=path or Path(),
        size=size,
        question=None,
        options=(),
        answer=None,
        expression=expression,
        mask=Mask.empty(size),
    )
    built = build_prompt(sample, 3, model.templates)
    if built is None or prompt is not None:
        built = Prompt(sample.id, 3, prompt or expression, expression)
    decoding = decoding or Decoding(
        attention="attention" in grounder.uses, forward=asks_forward(grounder)
    )
    answer = ask(model, [image], [built], decoding)[0]
    if answer.error is not None:
        raise DataError(f"The model does not answer: {answer.error}")
    try:
        candidates = tuple(grounder.ground(image, answer))
    except PixFoundationError:
        raise
    except Exception as error:
        raise DataError(f"The answer cannot be grounded: {describe(error)}") from error
    return GroundedImage(image, sample, built, answer, candidates, _heat(grounder, image, answer))


def _heat(
    grounder: Grounder, image: Image.Image, answer: Answer
) -> dict[tuple[int, int], NDArray[np.float32]]:
    if not isinstance(grounder, AttendAndSegment) or not answer.token_ids:
        return {}
    frame, phrase_maps = grounder.read(image, answer)
    if not phrase_maps:
        return {}
    frame = frame.shrunk(HEAT_SIDE)
    pixels = upsample(np.stack([grid for _, grid in phrase_maps]), frame)
    return {phrase.span: heat for (phrase, _), heat in zip(phrase_maps, pixels, strict=True)}
