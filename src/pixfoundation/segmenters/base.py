"""What a segmenter is to the rest of the package, and where segmenters are found by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pixfoundation.registry import Registry

Point = tuple[float, float]
Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True, eq=False)
class SegmenterOutput:
    """The masks of several prompts on one image.

    Attributes:
        masks: bool [prompts, masks a prompt, height, width] in original pixels.
        scores: float32 [prompts, masks a prompt]; the segmenter's own estimate of the IoU.
    """

    masks: NDArray[np.bool_]
    scores: NDArray[np.float32]


class Segmenter(Protocol):
    """Turns prompts on an image into masks.

    Attributes:
        name: What it was loaded as.
    """

    name: str

    def segment(
        self,
        image: Image.Image,
        points: Sequence[Point] = (),
        boxes: Sequence[Box] = (),
        inside: Sequence[Sequence[Point]] = (),
        masks: Sequence[NDArray[np.bool_]] = (),
    ) -> SegmenterOutput:
        """Segments at each point, or in each box; the image is encoded once.

        Args:
            image: An RGB image.
            points: (x, y) in original pixels, one prompt each.
            boxes: (x0, y0, x1, y1) in original pixels, one prompt each. Points or boxes, not both.
            inside: For each box points on the same object, which make one prompt with it.
            masks: For each prompt a rough mask of the object beside it, bool [height, width].

        A segmenter may leave out `inside` and `masks`: they are given only where a model writes
        both boxes and points, or the grounder was told to prompt with masks.
        """
        ...

    def fingerprint(self) -> dict[str, Any]:
        """Return what identifies the weights and settings, as JSON data for the run's record."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class TextMask:
    """A mask for some words.

    Attributes:
        mask: bool [height, width] in original pixels.
        score: The segmenter's own, 0..1.
    """

    mask: NDArray[np.bool_]
    score: float


@runtime_checkable
class TextSegmenter(Protocol):
    """Turns words about an image into masks. It is loaded and named like any segmenter.

    Attributes:
        name: What it was loaded as.
    """

    name: str

    def segment_texts(self, image: Image.Image, texts: Sequence[str]) -> list[list[TextMask]]:
        """Segments what each text names; the image is encoded once where the model allows it.

        Args:
            image: An RGB image.
            texts: Noun phrases or referring expressions.

        Returns:
            For each text its masks, the best first; none if nothing of the kind is there.
        """
        ...


SegmenterFactory = Callable[..., Segmenter]
"""`factory(name, *, device=None, dtype=None, **options) -> Segmenter`: loads the weights."""

segmenters: Registry[SegmenterFactory] = Registry("segmenter", group="pixfoundation.segmenters")
