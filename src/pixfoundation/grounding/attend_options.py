"""Options of attend-and-segment: which phrases are grounded, and what prompts the segmenter."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from pixfoundation.errors import DataError
from pixfoundation.option_bundles import read_choices
from pixfoundation.phrases import Fallback
from pixfoundation.typed_options import Count, Share


class PromptShape(StrEnum):
    """What the segmenter is prompted with for each point of a phrase."""

    POINT = "point"
    BOX = "box"
    """The box around the connected high cells that contain the point."""
    MASK = "mask"
    """The point, and these cells as a rough mask."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PhraseOptions:
    """Which phrases of an answer are grounded.

    Attributes:
        pronouns: Whether pronouns ('it', 'they') count as phrases.
        fallback: Units for answers without a noun phrase: 'none', 'words' or 'sentences'.
    """

    pronouns: bool = True
    fallback: Fallback = Fallback.NONE

    def __post_init__(self) -> None:
        read_choices(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmenterPromptOptions:
    """How the map of a phrase becomes prompts of the segmenter.

    Attributes:
        prompt: Prompt of the segmenter: 'point', 'box' or 'mask' (the point and a rough mask).
        points: Number of points (or boxes, or masks) per phrase, from 1.
        rank: Take the rank-th highest pixel of the map instead of the highest, from 1.
        threshold: For boxes and masks, the height above which a cell belongs to them, between the
            lowest (0) and the highest value (1) of the map.
    """

    prompt: PromptShape = PromptShape.POINT
    points: Count = 1
    rank: Count = 1
    threshold: Share = 0.5

    def __post_init__(self) -> None:
        read_choices(self)
        if self.points < 1 or self.rank < 1 or not 0 <= self.threshold <= 1:
            raise DataError(
                "Expected points and rank of at least 1 and a threshold from 0 to 1, but got "
                f"{self.points}, {self.rank} and {self.threshold}."
            )
