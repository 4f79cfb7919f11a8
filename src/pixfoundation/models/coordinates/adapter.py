"""A model that is asked for points or boxes instead of being read by its attention.

The published 'simple baselines': prompts from `infer_qwen.py`, `infer_qwen_simplebaseline.py` and
`infer_simple_baseline.py` of MSiam/PixFoundation. And models that were trained to think before they
write a box and points: prompts, size of the image and length of the answer from `infer.py` and
`infer_multi_object.py` of dvlab-research/Seg-Zero. Wraps any other model, since only the wording of
protocol 3, the size of the image and the reading of the answer differ.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Annotated, Any

from PIL import Image

from pixfoundation.errors import DataError
from pixfoundation.models.base import (
    Capability,
    Decoding,
    GivenAnswer,
    Model,
    ReadsAnswers,
    describe_model,
)
from pixfoundation.models.card import find_checkpoint
from pixfoundation.models.coordinates.card import CARD
from pixfoundation.models.coordinates.formats import FRAMES, CoordinateFormat, Frame, Order
from pixfoundation.models.coordinates.placing import read_places
from pixfoundation.models.detection import find_entry
from pixfoundation.prompts import PromptTemplates
from pixfoundation.typed_options import Count, OneOf, read_options, takes_options_of
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
    "identify": PromptTemplates().identify,
}

Resized = Callable[[Image.Image], tuple[int, int]]
"""The (height, width) in which a model sees an image."""


@takes_options_of(lambda name: find_entry(name.removesuffix(CARD.variant_suffix)).load())
def load(
    name: str,
    *,
    frame: Frame | None = None,
    ask: Annotated[str, OneOf(tuple(VISION_TEMPLATES))] | None = None,
    square: Count | None = None,
    order: Order | None = None,
    **options: Any,
) -> Model:
    """Load a model to be asked for coordinates.

    Args:
        name: A short name, a hub id or a folder, with or without '+coordinates'.
        frame: The coordinate frame of its numbers; by default what the model's card says.
        ask: A key of `VISION_TEMPLATES`; by default what the model's card says, else 'point'.
        square: Side in pixels of the square to which images are stretched first; by default what
            the model's card says.
        order: Which axis stands first; by default what the model's card says, else 'by-form': y for
            `box_2d`, x for everything else.
        options: Options of the model itself.

    Raises:
        DataError: If no card says in which frame the model writes and `frame` is not given.
    """
    base = name.removesuffix(CARD.variant_suffix)
    format = None
    if known := find_checkpoint(base):
        base, format = known[1].name, known[1].coordinates
    if format is None and frame is None:
        raise DataError(
            f"In which frame does {base!r} write coordinates? Say frame={', frame='.join(FRAMES)}."
        )
    settings = {"frame": frame, "ask": ask, "square": square, "order": order}
    settings = {key: value for key, value in settings.items() if value is not None}
    format = replace(format or CoordinateFormat(Frame.UNIT), **settings)
    factory = find_entry(base, options.get("revision")).load()
    read = read_options(f"The model {name!r}", factory, options, base)
    model: Any = factory(base, **read)
    resized = size_by_grid(model.processor) if format.frame is Frame.RESIZED else None
    return PointingModel(model, format, resized)


def size_by_grid(processor: Any) -> Resized:
    """Return the size that a Qwen-VL processor gives an image: its patch grid times the patch."""

    def resized(image: Image.Image) -> tuple[int, int]:
        seen = processor.image_processor(images=[image], return_tensors="pt")
        _, rows, columns = (int(side) for side in seen["image_grid_thw"][0])
        patch = int(processor.image_processor.patch_size)
        return (rows * patch, columns * patch)

    return resized


class PointingModel:
    """A model that is asked for coordinates.

    Attributes:
        name: The name of the wrapped model with the suffix '+coordinates'.
        capabilities: `coordinates`.
        templates: Those of the wrapped model, except for protocol 3.
    """

    def __init__(
        self, model: Model, format: CoordinateFormat, resized: Resized | None = None
    ) -> None:
        """Wrap a model.

        Args:
            model: The model that answers.
            format: How it is asked and how its numbers are read.
            resized: For the frame `resized`: how large the model sees an image that it is given.

        Raises:
            DataError: If an option has no such value, or the frame needs `resized`.
        """
        if format.ask not in VISION_TEMPLATES:
            raise DataError(
                f"Coordinates are asked for as {', '.join(VISION_TEMPLATES)}, but got "
                f"{format.ask!r}."
            )
        if format.frame is Frame.RESIZED and resized is None:
            raise DataError("Coordinates in the resized image need to know its size.")
        self.name = f"{model.name}{CARD.variant_suffix}"
        self.capabilities: frozenset[Capability] = frozenset({"coordinates"})
        self.templates: PromptTemplates = replace(
            model.templates, identify=VISION_TEMPLATES[format.ask]
        )
        self._model, self._format, self._resized = model, format, resized
        self._last: tuple[Image.Image, Image.Image] | None = None  # an image, and as it is given

    def answer(
        self, images: Sequence[Image.Image], prompts: Sequence[Prompt], decoding: Decoding
    ) -> list[Answer]:
        """Answer with the regions that the text names; see `Model.answer`."""
        shown_images = [self._given(image) for image in images]
        longest = max(decoding.max_new_tokens, self._format.min_new_tokens)
        answers = self._model.answer(
            shown_images, prompts, replace(decoding, attention=False, max_new_tokens=longest)
        )
        return [
            self._placed(image, shown, answer)
            for image, shown, answer in zip(images, shown_images, answers, strict=True)
        ]

    def read(
        self,
        images: Sequence[Image.Image],
        prompts: Sequence[Prompt],
        written: Sequence[GivenAnswer],
        decoding: Decoding,
    ) -> list[Answer]:
        """Read the regions that the answers of others name; see `ReadsAnswers`.

        Raises:
            DataError: If the other model cannot read answers.
        """
        if not isinstance(self._model, ReadsAnswers):
            raise DataError(f"The model {self._model.name!r} cannot read the answers of others.")
        shown_images = [self._given(image) for image in images]
        answers = self._model.read(
            shown_images, prompts, written, replace(decoding, attention=False)
        )
        return [
            answer if answer.error is not None else self._placed(image, shown, answer)
            for image, shown, answer in zip(images, shown_images, answers, strict=True)
        ]

    def __str__(self) -> str:
        return describe_model(self)

    def fingerprint(self) -> dict[str, Any]:
        """Return the fingerprint of the wrapped model, and how it is asked."""
        format = self._format
        order = format.order if format.order is not Order.BY_FORM else None
        own = {"square": format.square, "least_new_tokens": format.min_new_tokens, "order": order}
        return {
            **self._model.fingerprint(),
            "coordinates": format.frame,
            **{key: value for key, value in own.items() if value},
        }

    def _given(self, image: Image.Image) -> Image.Image:
        """Return what the model is given; for the same image the same object, read only once."""
        if self._format.square is None:
            return image
        if self._last is None or self._last[0] is not image:
            side = self._format.square
            self._last = (image, image.resize((side, side), Image.Resampling.BILINEAR))
        return self._last[1]

    def _placed(self, image: Image.Image, shown: Image.Image, answer: Answer) -> Answer:
        """Return an answer with its regions."""
        places = read_places(
            answer.text,
            self._format.frame,
            (image.height, image.width),
            self._resized(shown) if self._resized else None,
            self._format.order,
            boxes="box" in self._format.ask,
        )
        return replace(
            answer,
            regions=places.regions,
            doubtful=places.doubtful,
            left_out=places.left_out,
        )
