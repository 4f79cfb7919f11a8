"""A model that is asked for points or boxes instead of being read by its attention.

The published 'simple baselines': prompts from `infer_qwen.py`, `infer_qwen_simplebaseline.py` and
`infer_simple_baseline.py` of MSiam/PixFoundation. And models that were trained to think before they
write a box and points: prompts, size of the image and length of the answer from `infer.py` and
`infer_multi_object.py` of dvlab-research/Seg-Zero. Wraps any other model, since only the wording of
protocol 3, the size of the image and the reading of the answer differ.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from PIL import Image

from pixfoundation.errors import DataError
from pixfoundation.models.base import Capability, Decoding, Model, models
from pixfoundation.models.coordinates.parsing import FRAMES, Frame, parse_regions
from pixfoundation.models.detection import detect_family
from pixfoundation.models.transformers.names import CHECKPOINTS, COORDINATES_SUFFIX
from pixfoundation.prompts import PromptTemplates
from pixfoundation.registry import check_options
from pixfoundation.types import Answer, Prompt

POINT_TEMPLATE = "Point to the {expression}, output its coordinates in point-format as JSON"
BOX_TEMPLATE = (
    "Locate the {expression} and output all the coordinates in JSON format for a tight bounding "
    "box surrounding the object. If the object does not exist in the image dont generate any boxes."
)
LLAVA_BOX_TEMPLATE = "Output bounding box for the {expression}."
_THINKING = (
    "Output the thinking process in <think> </think> and final answer in <answer> </answer> tags."
)
SEG_ZERO_TEMPLATE = (
    "Please find '{lowered}' with bbox and points."
    "Compare the difference between objects and find the most closely matched one."
    f"{_THINKING}"
    "Output the one bbox and points of two largest inscribed circles inside the interested object "
    "in JSON format."
    "i.e., <think> thinking process here </think>"
    "<answer>{{'bbox': [10,100,200,210], 'points_1': [30,110], 'points_2': [35,180]}}</answer>"
)
VISION_REASONER_TEMPLATE = (
    'Please find "{lowered}" with bboxs and points.'
    "Compare the difference between object(s) and find the most closely matched object(s)."
    f"{_THINKING}"
    "Output the bbox(es) and point(s) inside the interested object(s) in JSON format."
    "i.e., <think> thinking process here </think>"
    '<answer>[{{"bbox_2d": [10,100,200,210], "point_2d": [30,110]}}, '
    '{{"bbox_2d": [225,296,706,786], "point_2d": [302,410]}}]</answer>'
)
VISION_TEMPLATES = {
    "point": POINT_TEMPLATE,
    "box": BOX_TEMPLATE,
    "llava-box": LLAVA_BOX_TEMPLATE,
    "seg-zero": SEG_ZERO_TEMPLATE,
    "vision-reasoner": VISION_REASONER_TEMPLATE,
}

Resized = Callable[[Image.Image], tuple[int, int]]
"""The (height, width) in which a model sees an image."""


@dataclass(frozen=True, slots=True)
class Asked:
    """How a model is asked for coordinates.

    Attributes:
        frame: What its numbers are in.
        ask: A name of `VISION_TEMPLATES`.
        square: The side in pixels to which images are stretched before the model sees them; None
            for the image as it is.
        least_new_tokens: Room for an answer, however short those of other models are kept.
    """

    frame: Frame
    ask: str = "point"
    square: int | None = None
    least_new_tokens: int = 0


_LLAVA = Asked("square", "llava-box")
ASKED = {
    "llava-1.5-7b": _LLAVA,
    "llava-1.5-13b": _LLAVA,
    "cambrian-8b": _LLAVA,
    "qwen2-vl-7b": Asked("thousand"),
    "qwen2.5-vl-3b": Asked("resized"),
    "qwen2.5-vl-7b": Asked("resized"),
    "qwen3-vl-4b": Asked("thousand"),
    "qwen3-vl-8b": Asked("thousand"),
    "internvl3-8b": Asked("thousand", "box"),
    "seg-zero-7b": Asked("resized", "seg-zero", square=840, least_new_tokens=1024),
    "visionreasoner-7b": Asked("resized", "vision-reasoner", square=840, least_new_tokens=1024),
}
"""Models that answer with coordinates."""


def load(
    name: str,
    *,
    frame: Frame | None = None,
    ask: str | None = None,
    square: int | None = None,
    **options: Any,
) -> Model:
    """Load a model to be asked for coordinates.

    Args:
        name: A name of `ASKED`, with or without '+coordinates', a hub id, or a folder.
        frame: What its numbers are in; known for the names of `ASKED`.
        ask: A name of `VISION_TEMPLATES`; known for the names of `ASKED`.
        square: Stretch images to squares of this side first; known for the names of `ASKED`.
        options: For the model itself.

    Raises:
        DataError: If the frame of an unknown model is not given.
    """
    base = name.removesuffix(COORDINATES_SUFFIX)
    base = {known.location: short for short, known in CHECKPOINTS.items()}.get(base, base)
    given = {"frame": frame, "ask": ask, "square": square}
    given = {key: value for key, value in given.items() if value is not None}
    if base not in ASKED and frame is None:
        raise DataError(
            f"In which frame does {base!r} write coordinates? Say frame={', frame='.join(FRAMES)}."
        )
    asked = replace(ASKED.get(base, Asked("unit")), **given)
    factory = models.get(detect_family(base, options.get("revision")))
    check_options(f"The model {name!r}", factory, options)
    model: Any = factory(base, **options)
    resized = size_by_grid(model.processor) if asked.frame == "resized" else None
    return PointingModel(model, asked, resized)


def size_by_grid(processor: Any) -> Resized:
    """Return the size that a Qwen-VL processor gives an image: its patch grid times the patch."""

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

    def __init__(self, model: Model, asked: Asked, resized: Resized | None = None) -> None:
        """Wrap a model.

        Args:
            model: Who answers.
            asked: How it is asked.
            resized: For the frame `resized`: how large the model sees an image that it is given.

        Raises:
            DataError: If an option has no such value, or the frame needs `resized`.
        """
        if asked.frame not in FRAMES or asked.ask not in VISION_TEMPLATES:
            raise DataError(
                f"Coordinates come as {', '.join(FRAMES)}, asked for as "
                f"{', '.join(VISION_TEMPLATES)}, but got {asked.frame!r} and {asked.ask!r}."
            )
        if asked.frame == "resized" and resized is None:
            raise DataError("Coordinates in the resized image need to know its size.")
        self.name = f"{model.name}{COORDINATES_SUFFIX}"
        self.capabilities: frozenset[Capability] = frozenset({"coordinates"})
        self.templates: PromptTemplates = replace(
            model.templates, identify=VISION_TEMPLATES[asked.ask]
        )
        self._model, self._asked, self._resized = model, asked, resized
        self._last: tuple[Image.Image, Image.Image] | None = None  # an image, and as it is given

    def answer(
        self, images: Sequence[Image.Image], prompts: Sequence[Prompt], decoding: Decoding
    ) -> list[Answer]:
        """Answers, with the regions that the text names; see `Model.answer`."""
        given = [self._given(image) for image in images]
        longest = max(decoding.max_new_tokens, self._asked.least_new_tokens)
        answers = self._model.answer(
            given, prompts, replace(decoding, attention=False, max_new_tokens=longest)
        )
        return [
            replace(answer, regions=self._regions(image, shown, answer))
            for image, shown, answer in zip(images, given, answers, strict=True)
        ]

    def fingerprint(self) -> dict[str, Any]:
        """Return the other model's fingerprint, and how it is asked."""
        asked = self._asked
        own = {"square": asked.square, "least_new_tokens": asked.least_new_tokens}
        return {
            **self._model.fingerprint(),
            "coordinates": asked.frame,
            **{key: value for key, value in own.items() if value},
        }

    def _given(self, image: Image.Image) -> Image.Image:
        """Return what the model is given; for the same image the same object, read only once."""
        if self._asked.square is None:
            return image
        if self._last is None or self._last[0] is not image:
            side = self._asked.square
            self._last = (image, image.resize((side, side), Image.Resampling.BILINEAR))
        return self._last[1]

    def _regions(self, image: Image.Image, given: Image.Image, answer: Answer) -> tuple[Any, ...]:
        seen = self._resized(given) if self._resized else None
        return parse_regions(answer.text, self._asked.frame, (image.height, image.width), seen)
