"""What a segmenter is to the rest of the package, and the registry of segmenters.

Two interfaces exist: `Segmenter` takes points or boxes on an image, `TextSegmenter` takes text.
Which prompts a loaded segmenter accepts is asked with `accepted_prompts`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeGuard, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pixfoundation.registry import Registry
from pixfoundation.wording import listed

Point = tuple[float, float]
Box = tuple[float, float, float, float]
PromptKind = Literal["points", "boxes", "text", "masks", "points_in_boxes"]
"""A kind of prompt: `masks` are rough masks next to points or boxes; `points_in_boxes` are points
that form one prompt together with a box."""

POINTS_AND_BOXES: frozenset[PromptKind] = frozenset({"points", "boxes"})
"""What a segmenter accepts that does not declare `prompts`."""
TEXT: frozenset[PromptKind] = frozenset({"text"})


@dataclass(frozen=True, slots=True, eq=False)
class SegmenterOutput:
    """The masks of several prompts on one image.

    Attributes:
        masks: bool [prompts, masks per prompt, height, width] in original pixels.
        scores: float32 [prompts, masks per prompt]; the segmenter's own estimate of the IoU.
    """

    masks: NDArray[np.bool_]
    scores: NDArray[np.float32]


class Segmenter(Protocol):
    """Turns points or boxes on an image into masks.

    Attributes:
        name: The name it was loaded by.
    """

    name: str

    @property
    def prompts(self) -> frozenset[PromptKind]:
        """The kinds of prompts that `segment` accepts.

        A segmenter without this attribute counts as accepting points and boxes. The parameters
        `points_in_boxes` and `masks` are passed only to segmenters that declare them here.
        """
        ...

    def segment(
        self,
        image: Image.Image,
        points: Sequence[Point] = (),
        boxes: Sequence[Box] = (),
        points_in_boxes: Sequence[Sequence[Point]] = (),
        masks: Sequence[NDArray[np.bool_]] = (),
    ) -> SegmenterOutput:
        """Segment at each point, or in each box; the image is encoded once.

        Args:
            image: An RGB image.
            points: (x, y) in original pixels, one prompt each. Points or boxes, not both.
            boxes: (x0, y0, x1, y1) in original pixels, one prompt each.
            points_in_boxes: For each box the points on the same object; box and points form one
                prompt.
            masks: For each prompt a rough mask of the object, bool [height, width].
        """
        ...

    def fingerprint(self) -> dict[str, Any]:
        """Return what identifies the weights and settings, as JSON data for the run's record."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class TextMask:
    """A mask for a text prompt.

    Attributes:
        mask: bool [height, width] in original pixels.
        score: The segmenter's own score, 0..1.
    """

    mask: NDArray[np.bool_]
    score: float


@runtime_checkable
class TextSegmenter(Protocol):
    """Turns text about an image into masks. It is registered and loaded like any segmenter.

    Attributes:
        name: The name it was loaded by.
    """

    name: str

    def segment_texts(self, image: Image.Image, texts: Sequence[str]) -> list[list[TextMask]]:
        """Segment what each text names; the image is encoded once where the model allows it.

        Args:
            image: An RGB image.
            texts: Noun phrases or referring expressions.

        Returns:
            For each text its masks, the best first; an empty list if the segmenter sees nothing
            of the kind.
        """
        ...

    def fingerprint(self) -> dict[str, Any]:
        """Return what identifies the weights and settings, as JSON data for the run's record."""
        ...


AnySegmenter = Segmenter | TextSegmenter

SegmenterFactory = Callable[..., AnySegmenter]
"""`factory(name, *, device=None, dtype=None, **options) -> AnySegmenter`: loads the weights."""

segmenters: Registry[SegmenterFactory] = Registry("segmenter", group="pixfoundation.segmenters")


def accepted_prompts(segmenter: AnySegmenter) -> frozenset[PromptKind]:
    """Return the kinds of prompts that a segmenter accepts.

    A segmenter that does not declare `prompts` counts as accepting points and boxes, or text if it
    has the method `segment_texts`.
    """
    undeclared = TEXT if isinstance(segmenter, TextSegmenter) else POINTS_AND_BOXES
    return getattr(segmenter, "prompts", undeclared)


def describe_segmenter(segmenter: AnySegmenter) -> str:
    """Return what a segmenter is as a short table, one line for each setting of its fingerprint."""
    settings = [
        (name, value)
        for name, value in segmenter.fingerprint().items()
        if name != "name" and isinstance(value, str | int | float)
    ]
    accepts = ", ".join(sorted(accepted_prompts(segmenter))).replace("_", " ")
    return listed(segmenter.name, [("accepts", accepts), *settings])


def takes_points(segmenter: AnySegmenter) -> TypeGuard[Segmenter]:
    """Return whether a segmenter accepts points."""
    return "points" in accepted_prompts(segmenter)


def takes_text(segmenter: AnySegmenter) -> TypeGuard[TextSegmenter]:
    """Return whether a segmenter accepts text."""
    return "text" in accepted_prompts(segmenter)
