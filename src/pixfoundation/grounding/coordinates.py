"""Masks at the points and in the boxes that an answer names.

The published simple baselines; and Seg-Zero and VisionReasoner (dvlab-research/Seg-Zero), where a
box and the points beside it are one prompt and the segmenter's best mask counts for each object.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pixfoundation.conventions import (
    DEFAULT,
    PUBLISHED,
    CoordinateMasks,
    GroundingConventions,
)
from pixfoundation.errors import DataError
from pixfoundation.masks import Mask
from pixfoundation.models.base import Capability
from pixfoundation.segmenters.base import (
    AnySegmenter,
    Box,
    Segmenter,
    SegmenterOutput,
    accepted_prompts,
    takes_points,
)
from pixfoundation.types import Answer, Candidate, Phrase, Region


def load(
    segmenter: AnySegmenter | None, *, conventions: GroundingConventions = DEFAULT.grounding
) -> Coordinates:
    """Make the grounder.

    Args:
        segmenter: Draws the masks.
        conventions: Rules of the grounders; `coordinate_masks` is used here.

    Raises:
        DataError: If there is no segmenter.
    """
    if segmenter is None:
        raise DataError("Grounding by coordinates needs a segmenter: it turns them into masks.")
    if not takes_points(segmenter):
        raise DataError(
            f"The segmenter {segmenter.name!r} takes text, not points or boxes. Use it with the "
            "grounder 'words'."
        )
    return Coordinates(segmenter, conventions)


@dataclass(frozen=True, slots=True)
class Coordinates:
    """The grounder.

    Attributes:
        segmenter: Draws the masks.
        conventions: Rules of the grounders.
    """

    segmenter: Segmenter
    conventions: GroundingConventions = DEFAULT.grounding
    name: str = "coordinates"
    uses: frozenset[Capability] = frozenset({"coordinates"})

    def ground(self, image: Image.Image, answer: Answer) -> list[Candidate]:
        """Return the masks of every region of an answer, points first, then boxes."""
        regions = answer.regions or ()
        points = [region for region in regions if len(region.coordinates) == 2]
        boxes = [region for region in regions if len(region.coordinates) == 4]
        found: list[Candidate] = []
        if points:
            where = [(r.coordinates[0], r.coordinates[1]) for r in points]
            found += self._candidates(points, self.segmenter.segment(image, points=where), answer)
        if boxes:
            around = [_box(region) for region in boxes]
            found += self._candidates(boxes, self._segment_boxes(image, boxes, around), answer)
        return found

    def fingerprint(self) -> dict[str, Any]:
        """Return the settings, as JSON data."""
        return {"published": self.conventions == PUBLISHED.grounding}

    def _segment_boxes(
        self, image: Image.Image, regions: Sequence[Region], boxes: Sequence[Box]
    ) -> SegmenterOutput:
        if not any(region.points for region in regions):
            return self.segmenter.segment(image, boxes=boxes)
        if "points_in_boxes" not in accepted_prompts(self.segmenter):
            raise DataError(
                f"The answer has points that belong to a box, but the segmenter "
                f"{self.segmenter.name!r} does not accept them. Use a segmenter with "
                "'points_in_boxes' among its `prompts`, such as 'sam2.1-hiera-large'."
            )
        points = [region.points for region in regions]
        return self.segmenter.segment(image, boxes=boxes, points_in_boxes=points)

    def _candidates(
        self, regions: list[Region], drawn: SegmenterOutput, answer: Answer
    ) -> list[Candidate]:
        return [
            Candidate(
                mask=Mask.from_array(np.asarray(drawn.masks[place, index])),
                phrase=_phrase(region, answer),
                point=(region.coordinates[0], region.coordinates[1])
                if len(region.coordinates) == 2
                else None,
                box=_box(region) if len(region.coordinates) == 4 else None,
                score=float(drawn.scores[place, index]),
                index=number,
                source="coordinates",
            )
            for place, region in enumerate(regions)
            for number, index in enumerate(self._kept(region, drawn.scores[place]))
        ]

    def _kept(self, region: Region, scores: NDArray[np.float32]) -> Sequence[int]:
        """Return which masks of a place count."""
        if self.conventions.coordinate_masks is CoordinateMasks.ALL:
            return range(len(scores))
        return [int(scores.argmax()) if region.points else len(scores) - 1]


def _box(region: Region) -> tuple[float, float, float, float]:
    x0, y0, x1, y1 = region.coordinates
    return (x0, y0, x1, y1)


def _phrase(region: Region, answer: Answer) -> Phrase | None:
    """The label as a phrase, where the text holds it."""
    if not region.label:
        return None
    start = answer.text.find(region.label)
    if start < 0:
        return None
    return Phrase(region.label, (start, start + len(region.label)), (), region.label.split()[-1])
