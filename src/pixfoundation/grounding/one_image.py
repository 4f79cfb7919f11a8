"""One image, one expression: the model's answer, and the mask that it grounds the expression with.

The same path as a benchmark run, on a single image without ground truth.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pixfoundation.errors import DataError
from pixfoundation.geometry import upsample
from pixfoundation.grounding.attend_and_segment import AttendAndSegment
from pixfoundation.grounding.base import Grounder
from pixfoundation.masks import Mask
from pixfoundation.models.base import Decoding, Model
from pixfoundation.prompts import build_prompt
from pixfoundation.types import Answer, Candidate, Phrase, Prompt, Sample

HEAT_SIDE = 1000
"""Longest side in pixels of the maps that are kept for showing."""


@dataclass(frozen=True, slots=True, eq=False)
class GroundedImage:
    """What a model said about an expression in an image, and the masks it offers.

    Attributes:
        image: RGB.
        sample: The question as a sample without ground truth.
        prompt: What the model was asked.
        answer: What it said.
        candidates: The masks, those of one prompt together.
        heat: For each phrase its map over the whole image, float32 [height, width] of at most
            `HEAT_SIDE` pixels a side; for models that are grounded by attention.
    """

    image: Image.Image
    sample: Sample
    prompt: Prompt
    answer: Answer
    candidates: tuple[Candidate, ...]
    heat: dict[tuple[int, int], NDArray[np.float32]] = field(default_factory=dict)

    @property
    def phrases(self) -> list[Phrase]:
        """The phrases with candidates, in the order of the text."""
        found = {c.phrase.span: c.phrase for c in self.candidates if c.phrase is not None}
        return [found[span] for span in sorted(found)]

    def to_json(self) -> dict[str, Any]:
        """Return everything but the pixels as plain JSON data."""
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
    """Asks a model about an expression in an image and grounds its answer.

    Args:
        image: RGB.
        expression: What to find: 'the door of the yellow house'.
        model: Who is asked.
        grounder: Turns the answer into masks.
        path: Where the image came from, for the record.
        prompt: What to ask instead of the model's own wording of protocol 3.
        decoding: How the answer is decoded; greedy by default.

    Raises:
        DataError: If the expression is empty, or the model has no answer.
    """
    expression = expression.strip()
    if not expression:
        raise DataError("The expression is empty: say in words what to find in the image.")
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
    asked = build_prompt(sample, 3, model.templates)
    if asked is None or prompt is not None:
        asked = Prompt(sample.id, 3, prompt or expression, expression)
    decoding = decoding or Decoding(attention="attention" in grounder.uses)
    answer = model.answer([image], [asked], decoding)[0]
    if answer.error is not None:
        raise DataError(answer.error)
    candidates = tuple(grounder.ground(image, answer))
    return GroundedImage(image, sample, asked, answer, candidates, _heat(grounder, answer))


def _heat(grounder: Grounder, answer: Answer) -> dict[tuple[int, int], NDArray[np.float32]]:
    if not isinstance(grounder, AttendAndSegment) or answer.trace is None or not answer.token_ids:
        return {}
    found = grounder.phrase_maps(answer.trace, answer)
    if not found:
        return {}
    frame = answer.trace.frame.shrunk(HEAT_SIDE)
    pixels = upsample(np.stack([grid for _, grid in found]), frame)
    return {phrase.span: heat for (phrase, _), heat in zip(found, pixels, strict=True)}
