"""Attend and segment: what a model attends to while it says a noun phrase prompts a segmenter.

Method: Cao et al., 'Emerging Pixel Grounding in Large Multimodal Models Without Grounding
Supervision' (arXiv 2410.08209), as used by PixFoundation (arXiv 2502.04192). In order:

  1. each generated token has a map: its attention to the image, averaged over layers and heads;
  2. the mean map of all tokens is subtracted, since some places are attended to whatever is said;
  3. the maps of a phrase's tokens are averaged;
  4. the phrase's map is brought to the pixels of the image, and its maximum is the point;
  5. the segmenter draws its masks there, all points of an answer in one batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pixfoundation.attention.row_convention import Maps, RowConvention, row_convention, token_maps
from pixfoundation.conventions import (
    DEFAULT,
    PUBLISHED,
    AttentionRow,
    DegenerateMap,
    GroundingConventions,
    LastToken,
    PhraseEdges,
    SingleToken,
)
from pixfoundation.errors import DataError
from pixfoundation.geometry import GridFrame, upsample
from pixfoundation.grounding.points import Box, Peak, box_around, high_cells, mask_of, peaks
from pixfoundation.masks import Mask
from pixfoundation.models.base import Capability
from pixfoundation.phrases import Fallback, NounPhrases, pipeline_name
from pixfoundation.segmenters.base import (
    AnySegmenter,
    Segmenter,
    SegmenterOutput,
    accepted_prompts,
    takes_points,
)
from pixfoundation.types import Answer, AttentionTrace, Candidate, Phrase

Shape = Literal["point", "box", "mask"]
PhrasePoint = tuple[Phrase, Peak, Maps]
"""A phrase, one of its points, and its map on the grid, float32 [rows, columns]."""


def load(
    segmenter: AnySegmenter | None,
    *,
    conventions: GroundingConventions = DEFAULT.grounding,
    preset: str | None = None,
    pronouns: bool = True,
    fallback: Fallback = "none",
    prompt: Shape = "point",
    points: int = 1,
    rank: int = 1,
    threshold: float = 0.5,
) -> AttendAndSegment:
    """Make the grounder.

    Args:
        segmenter: Draws the masks.
        conventions: Rules of the grounders; see `docs/grounding.md` for what differs from the
            published code.
        preset: Which attention is read, a name of `attention.row_convention.PRESETS`; by default
            what `conventions.attention_row` says.
        pronouns: Whether 'it' and the like are phrases.
        fallback: Units for answers without a noun phrase: 'none', 'words', 'sentences'.
        prompt: What the segmenter gets: 'point', 'box' or 'mask' (the point and a rough mask).
        points: How many points (or boxes, or masks) a phrase gives.
        rank: The rank-th highest pixel instead of the highest.
        threshold: For boxes and masks, which part of the map's range counts as high.

    Raises:
        DataError: If there is no segmenter, or none that takes masks and those are wanted, or an
            option is out of range.
    """
    if segmenter is None:
        raise DataError("Attend-and-segment needs a segmenter: it turns points into masks.")
    if points < 1 or rank < 1 or not 0 <= threshold <= 1 or prompt not in get_args(Shape):
        raise DataError(
            "Expected points and rank of at least 1, a threshold from 0 to 1 and the prompt "
            f"'point', 'box' or 'mask', but got {points}, {rank}, {threshold} and {prompt!r}."
        )
    if not takes_points(segmenter):
        raise DataError(
            f"The segmenter {segmenter.name!r} takes text, not points or boxes. Use it with the "
            "grounder 'words'."
        )
    if prompt == "mask" and "masks" not in accepted_prompts(segmenter):
        raise DataError(
            f"The segmenter {segmenter.name!r} cannot be prompted with masks: its `prompts` are "
            f"{', '.join(sorted(accepted_prompts(segmenter)))}."
        )
    published_row = conventions.attention_row is AttentionRow.PUBLISHED
    usual = "pixfoundation" if published_row else "default"
    return AttendAndSegment(
        segmenter,
        NounPhrases(
            pronouns=pronouns,
            fallback=fallback,
            trim=conventions.phrase_edges is PhraseEdges.TRIMMED,
        ),
        row_convention(preset or usual),
        conventions,
        prompt,
        points,
        rank,
        threshold,
    )


@dataclass(frozen=True, slots=True)
class AttendAndSegment:
    """The grounder.

    Attributes:
        segmenter: Draws the masks.
        phrases: Finds the phrases.
        reading: Which row of attention is a token's.
        conventions: Rules of the grounders; the phrases and the row are those given here.
        prompt: What the segmenter gets: the point; the box of the high part of the map that holds
            the point; or the point and that part as a rough mask.
        points: How many points a phrase gives, the highest first, a grid cell apart.
        rank: Take the rank-th highest pixel instead of the highest, from 1 (a diagnostic).
        threshold: For boxes and masks, what is high, between the lowest (0) and highest value (1).
    """

    segmenter: Segmenter
    phrases: NounPhrases = field(default_factory=NounPhrases)
    reading: RowConvention = field(default_factory=RowConvention)
    conventions: GroundingConventions = DEFAULT.grounding
    prompt: Shape = "point"
    points: int = 1
    rank: int = 1
    threshold: float = 0.5
    name: str = "attend-and-segment"
    uses: frozenset[Capability] = frozenset({"attention"})

    def ground(self, image: Image.Image, answer: Answer) -> list[Candidate]:
        """Return the masks of every phrase of an answer, the masks of one prompt together.

        Args:
            image: The image that the answer is about.
            answer: An answer with its trace.

        Returns:
            Candidates in the order of the phrases; none if there is no phrase.

        Raises:
            DataError: If the answer has no trace, or one of another image size.
        """
        if not answer.token_ids:
            return []
        trace = _trace_for(image, answer)
        found = self.phrase_maps(trace, answer)
        if not found:
            return []
        pointed = [
            (phrase, peak, grid)
            for phrase, grid in found
            for peak in self._peaks(grid, trace, len(answer.token_ids))
        ]
        boxes = self._boxes(pointed, trace.frame) if self.prompt == "box" else []
        return self._candidates(pointed, boxes, self._segment(image, trace.frame, pointed, boxes))

    def phrase_maps(self, trace: AttentionTrace, answer: Answer) -> list[tuple[Phrase, Maps]]:
        """Return each phrase of an answer with its map on the grid, float32 [rows, columns]."""
        maps = self._token_maps(trace, len(answer.token_ids))  # (tokens, rows, columns)
        return [
            (phrase, maps[list(phrase.tokens)].mean(axis=0))
            for phrase in self.phrases.find(answer)
            if phrase.tokens and phrase.tokens[-1] < len(maps)
        ]

    def fingerprint(self) -> dict[str, Any]:
        """Return the settings, as JSON data."""
        return {
            "reading": asdict(self.reading),
            "phrases": {**asdict(self.phrases), "pipeline": pipeline_name(self.phrases.pipeline)},
            "published": self.conventions == PUBLISHED.grounding,
            "prompt": self.prompt,
            "points": self.points,
            "rank": self.rank,
            "threshold": self.threshold,
        }

    def _token_maps(self, trace: AttentionTrace, tokens: int) -> Maps:
        """Return the centred maps; for a single token its plain map, unless a rule says otherwise.

        A single token less its own mean is zero everywhere.
        """
        centred = tokens > 1 or self.conventions.single_token is SingleToken.CENTRED
        maps = token_maps(trace, tokens, self.reading, centred=centred)
        dropped = self.conventions.last_token is LastToken.DROPPED
        if dropped and self.reading.alignment == "self":
            return maps[: tokens - 1]  # the published code has no row for the last token
        return maps

    def _peaks(self, grid: Maps, trace: AttentionTrace, tokens: int) -> list[Peak]:
        pixels = upsample(grid[None], trace.frame)[0]  # (height, width)
        x0, y0, x1, y1 = trace.frame.box
        cell = ((x1 - x0) / trace.frame.columns, (y1 - y0) / trace.frame.rows)
        found = peaks(pixels, cell, self.points, self.rank)
        at_origin = self.conventions.degenerate_map is DegenerateMap.ORIGIN
        if at_origin and found[0].degenerate:
            return [Peak((0.0, 0.0), degenerate=True)]
        return [Peak(p.point, p.degenerate or tokens == 1) for p in found]

    def _boxes(self, pointed: Sequence[PhrasePoint], frame: GridFrame) -> list[Box]:
        return [box_around(self._high(grid, frame, peak), frame) for _, peak, grid in pointed]

    def _high(self, grid: Maps, frame: GridFrame, peak: Peak) -> NDArray[np.bool_]:
        return high_cells(grid, frame, peak.point, self.threshold)

    def _segment(
        self,
        image: Image.Image,
        frame: GridFrame,
        pointed: Sequence[PhrasePoint],
        boxes: Sequence[Box],
    ) -> SegmenterOutput:
        if boxes:
            return self.segmenter.segment(image, boxes=boxes)
        points = [peak.point for _, peak, _ in pointed]
        if self.prompt == "point":
            return self.segmenter.segment(image, points=points)
        rough = [mask_of(self._high(grid, frame, peak), frame) for _, peak, grid in pointed]
        return self.segmenter.segment(image, points=points, masks=rough)

    def _candidates(
        self, pointed: Sequence[PhrasePoint], boxes: Sequence[Box], drawn: SegmenterOutput
    ) -> list[Candidate]:
        return [
            Candidate(
                mask=Mask.from_array(drawn.masks[place, index]),
                phrase=phrase,
                point=peak.point,
                box=boxes[place] if boxes else None,
                score=float(drawn.scores[place, index]),
                index=index,
                degenerate=peak.degenerate,
            )
            for place, (phrase, peak, _) in enumerate(pointed)
            for index in range(drawn.masks.shape[1])
        ]


def _trace_for(image: Image.Image, answer: Answer) -> AttentionTrace:
    if answer.trace is None:
        raise DataError(
            "The answer carries no attention. Ask the model with Decoding(attention=True)."
        )
    size = (image.height, image.width)
    if answer.trace.frame.image_size != size:
        raise DataError(
            f"The attention is of an image of {answer.trace.frame.image_size} pixels (height, "
            f"width), but this one has {size}."
        )
    return answer.trace
