"""Masks that a model gave itself are the candidates, each with the words that it belongs to."""

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
    """Make the grounder; neither a segmenter nor the conventions change anything here."""
    return NativeMasks()


@dataclass(frozen=True, slots=True)
class NativeMasks:
    """The grounder."""

    name: str = "native"
    uses: frozenset[Capability] = frozenset({"masks"})

    def ground(self, image: Image.Image, answer: Answer) -> list[Candidate]:
        """Return the answer's own masks, in its order; none if it emitted none.

        Args:
            image: The image that the answer is about.
            answer: An answer of a model that can give masks.

        Raises:
            DataError: If a mask has not the size of the image.
        """
        size = (image.height, image.width)
        candidates = []
        for own in answer.masks or ():
            if own.mask.size != size:
                raise DataError(
                    f"The model gave a mask of {own.mask.size} pixels (height, width) for an "
                    f"image of {size}."
                )
            candidates.append(
                Candidate(own.mask, _phrase(own, answer), score=own.score, source="native")
            )
        return candidates

    def fingerprint(self) -> dict[str, Any]:
        """Return the settings, as JSON data."""
        return {}


def _phrase(own: NativeMask, answer: Answer) -> Phrase | None:
    if own.phrase is None:
        return None
    if own.span is None:  # the words are known, but not which of their occurrences is meant
        start = answer.text.find(own.phrase)
        span = (start, start + len(own.phrase)) if start >= 0 else (0, 0)
    else:
        span = own.span
    (tokens,) = overlapping_tokens([span], answer.spans)
    return Phrase(own.phrase, span, tokens)
