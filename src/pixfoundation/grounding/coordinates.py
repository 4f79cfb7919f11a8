"""Coordinates: the points and boxes in an answer prompt the segmenter.

Used for the simple baselines of PixFoundation (arXiv 2502.04192), and for Seg-Zero and
VisionReasoner (dvlab-research/Seg-Zero), where a box and its points form one prompt.
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
    Point,
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
        segmenter: A segmenter that accepts points and boxes.
        conventions: Rules of the grounders; `coordinate_masks` is used here.

    Raises:
        DataError: If there is no segmenter or it accepts neither points nor boxes.
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
    """The grounder `coordinates`.

    Attributes:
        segmenter: The segmenter that turns points and boxes into masks.
        conventions: Rules of the grounders.
    """

    segmenter: Segmenter
    conventions: GroundingConventions = DEFAULT.grounding
    name: str = "coordinates"
    uses: frozenset[Capability] = frozenset({"coordinates"})

    def ground(self, image: Image.Image, answer: Answer) -> list[Candidate]:
        """Return the masks of every region of an answer.

        Args:
            image: The image that the answer is about.
            answer: An answer with its regions.

        Returns:
            Candidates of the points first, then of the boxes, those of one region together.

        Raises:
            DataError: If boxes come with points and the segmenter does not accept both together.
        """
        regions = answer.regions or ()
        points = [region for region in regions if len(region.coordinates) == 2]
        boxes = [region for region in regions if len(region.coordinates) == 4]
        candidates: list[Candidate] = []
        if points:
            output = self.segmenter.segment(image, points=[_point(region) for region in points])
            candidates += self._candidates(points, output, answer)
        if boxes:
            candidates += self._candidates(boxes, self._segment_boxes(image, boxes), answer)
        return candidates

    def fingerprint(self) -> dict[str, Any]:
        """Return the settings as JSON data, for `run.json`."""
        return {"published": self.conventions == PUBLISHED.grounding}

    def _segment_boxes(self, image: Image.Image, regions: Sequence[Region]) -> SegmenterOutput:
        boxes = [_box(region) for region in regions]
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
        self, regions: list[Region], output: SegmenterOutput, answer: Answer
    ) -> list[Candidate]:
        return [
            Candidate(
                mask=Mask.from_array(output.masks[place, index]),
                phrase=_phrase(region, answer),
                point=_point(region) if len(region.coordinates) == 2 else None,
                box=_box(region) if len(region.coordinates) == 4 else None,
                score=float(output.scores[place, index]),
                index=number,
                source="coordinates",
            )
            for place, region in enumerate(regions)
            for number, index in enumerate(self._counted(region, output.scores[place]))
        ]

    def _counted(self, region: Region, scores: NDArray[np.float32]) -> Sequence[int]:
        """Return the indices of the masks of a region that count as candidates."""
        if self.conventions.coordinate_masks is CoordinateMasks.ALL:
            return range(len(scores))
        return [int(scores.argmax()) if region.points else len(scores) - 1]


def _point(region: Region) -> Point:
    x, y = region.coordinates
    return (x, y)


def _box(region: Region) -> Box:
    x0, y0, x1, y1 = region.coordinates
    return (x0, y0, x1, y1)


def _phrase(region: Region, answer: Answer) -> Phrase | None:
    """Return the label as a phrase; None if it does not occur in the text."""
    if not region.label:
        return None
    start = answer.text.find(region.label)
    if start < 0:
        return None
    return Phrase(region.label, (start, start + len(region.label)), (), region.label.split()[-1])
