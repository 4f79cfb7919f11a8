"""Native masks: the masks that a model outputs itself are the candidates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from PIL import Image

from pixfoundation.conventions import DEFAULT, GroundingConventions
from pixfoundation.errors import DataError
from pixfoundation.models.base import Capability
from pixfoundation.phrases import overlapping_tokens
from pixfoundation.segmenters.base import AnySegmenter
from pixfoundation.types import Answer, Candidate, NativeMask, Phrase


def load(
    segmenter: AnySegmenter | None, *, conventions: GroundingConventions = DEFAULT.grounding
) -> NativeMasks:
    """Make the grounder.

    Args:
        segmenter: Ignored; part of the common factory signature.
        conventions: Ignored; part of the common factory signature.
    """
    return NativeMasks()


@dataclass(frozen=True, slots=True)
class NativeMasks:
    """The grounder `native`."""

    name: str = "native"
    uses: frozenset[Capability] = frozenset({"masks"})

    def ground(self, image: Image.Image, answer: Answer) -> list[Candidate]:
        """Return the native masks of an answer in their order.

        Args:
            image: The image that the answer is about.
            answer: An answer of a model with native masks.

        Raises:
            DataError: If the size of a mask differs from that of the image.
        """
        size = (image.height, image.width)
        masks = answer.masks or ()
        for native in masks:
            if native.mask.size != size:
                raise DataError(
                    f"The model gave a mask of {native.mask.size} pixels (height, width) for an "
                    f"image of {size}."
                )
        return [
            Candidate(native.mask, _phrase(native, answer), score=native.score, source="native")
            for native in masks
        ]

    def fingerprint(self) -> dict[str, Any]:
        """Return the settings as JSON data, for `run.json`."""
        return {}


def _phrase(native: NativeMask, answer: Answer) -> Phrase | None:
    if native.phrase is None:
        return None
    if native.span is None:  # the words are known, but not which of their occurrences is meant
        start = answer.text.find(native.phrase)
        span = (start, start + len(native.phrase)) if start >= 0 else (0, 0)
    else:
        span = native.span
    (tokens,) = overlapping_tokens([span], answer.spans)
    return Phrase(native.phrase, span, tokens)
