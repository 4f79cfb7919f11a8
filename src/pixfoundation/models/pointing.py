"""A model that is asked for points or boxes instead of being read by its attention.

The published 'simple baselines': prompts from `infer_qwen.py`, `infer_qwen_simplebaseline.py` and
`infer_simple_baseline.py` of MSiam/PixFoundation. Wraps any other model, since only the wording of
protocol 3 and the reading of the answer differ.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from PIL import Image

from pixfoundation.errors import DataError
from pixfoundation.models.base import Capability, Decoding, Model
from pixfoundation.models.coordinates import FRAMES, Frame, parse_regions
from pixfoundation.prompts import PromptTemplates
from pixfoundation.types import Answer, Prompt

POINT_TEMPLATE = "Point to the {expression}, output its coordinates in point-format as JSON"
BOX_TEMPLATE = (
    "Locate the {expression} and output all the coordinates in JSON format for a tight bounding "
    "box surrounding the object. If the object does not exist in the image dont generate any boxes."
)
LLAVA_BOX_TEMPLATE = "Output bounding box for the {expression}."
VISION_TEMPLATES = {"point": POINT_TEMPLATE, "box": BOX_TEMPLATE, "llava-box": LLAVA_BOX_TEMPLATE}

Resized = Callable[[Image.Image], tuple[int, int]]
"""The (height, width) in which a model sees an image."""


ASKED = {
    "llava-1.5-7b": ("unit", "llava-box"),
    "llava-1.5-13b": ("unit", "llava-box"),
    "qwen2-vl-7b": ("thousand", "point"),
    "qwen2.5-vl-3b": ("resized", "point"),
    "qwen2.5-vl-7b": ("resized", "point"),
    "qwen3-vl-4b": ("thousand", "point"),
    "qwen3-vl-8b": ("thousand", "point"),
    "internvl3-8b": ("thousand", "box"),
}
"""Models that answer with coordinates: in which frame, and what they are asked for."""

SUFFIX = "+coordinates"


def load(name: str, *, frame: Frame | None = None, ask: str | None = None, **options: Any) -> Model:
    """Loads a model to be asked for coordinates.

    Args:
        name: A name of `ASKED`, with or without '+coordinates', a hub id, or a folder.
        frame: What its numbers are in; known for the names of `ASKED`.
        ask: `point`, `box` or `llava-box`; known for the names of `ASKED`.
        options: For the model itself.

    Raises:
        DataError: If the frame of an unknown model is not given.
    """
    from pixfoundation.models import transformers_adapter

    base = name.removesuffix(SUFFIX)
    known_frame, known_ask = ASKED.get(base, (None, "point"))
    chosen = frame or known_frame
    if chosen is None:
        raise DataError(
            f"In which frame does {base!r} write coordinates? Say frame={', frame='.join(FRAMES)}."
        )
    model = transformers_adapter.load(base, **options)
    resized = size_by_grid(model.processor) if chosen == "resized" else None
    return PointingModel(model, chosen, ask or known_ask, resized)  # type: ignore[arg-type]


def size_by_grid(processor: Any) -> Resized:
    """Returns the size that a Qwen-VL processor gives an image: its patch grid times the patch."""

    def resized(image: Image.Image) -> tuple[int, int]:
        seen = processor.image_processor(images=[image], return_tensors="pt")
        _, rows, columns = (int(side) for side in seen["image_grid_thw"][0])
        patch = int(processor.image_processor.patch_size)
        return (rows * patch, columns * patch)

    return resized


class PointingModel:
    """Another model, asked for coordinates.

    Attributes:
        name: The other's, and that it is asked for coordinates.
        capabilities: `coordinates`.
        templates: The other's, but for protocol 3.
    """

    def __init__(
        self, model: Model, frame: Frame, ask: str = "point", resized: Resized | None = None
    ) -> None:
        """Wraps a model.

        Args:
            model: Who answers.
            frame: What its numbers are in.
            ask: `point`, `box` or `llava-box`.
            resized: For the frame `resized`.

        Raises:
            DataError: If an option has no such value, or the frame needs `resized`.
        """
        if frame not in FRAMES or ask not in VISION_TEMPLATES:
            raise DataError(
                f"Coordinates come as {', '.join(FRAMES)}, asked for as "
                f"{', '.join(VISION_TEMPLATES)}, but got {frame!r} and {ask!r}."
            )
        if frame == "resized" and resized is None:
            raise DataError("Coordinates in the resized image need to know its size.")
        self.name = f"{model.name}{SUFFIX}"
        self.capabilities: frozenset[Capability] = frozenset({"coordinates"})
        self.templates: PromptTemplates = replace(model.templates, identify=VISION_TEMPLATES[ask])
        self._frame: Frame = frame
        self._model, self._resized = model, resized

    def answer(
        self, images: Sequence[Image.Image], prompts: Sequence[Prompt], decoding: Decoding
    ) -> list[Answer]:
        """Answers, with the regions that the text names; see `Model.answer`."""
        answers = self._model.answer(images, prompts, replace(decoding, attention=False))
        return [
            replace(answer, regions=self._regions(image, answer))
            for image, answer in zip(images, answers, strict=True)
        ]

    def _regions(self, image: Image.Image, answer: Answer) -> tuple[Any, ...]:
        resized = self._resized(image) if self._resized else None
        return parse_regions(answer.text, self._frame, (image.height, image.width), resized)

    def fingerprint(self) -> dict[str, Any]:
        """Returns the other model's fingerprint, and the frame."""
        return {**self._model.fingerprint(), "coordinates": self._frame}
