"""Attend-and-segment: the attention of each noun phrase to the image prompts a segmenter.

Method: Cao et al., 'Emerging Pixel Grounding in Large Multimodal Models Without Grounding
Supervision' (arXiv 2410.08209), as used by PixFoundation (arXiv 2502.04192). The steps are:

  1. The map of a generated token is its attention to the image, averaged over layers and heads.
  2. The mean map of all tokens is subtracted, since some places attract attention for any text.
  3. The maps of a phrase's tokens are averaged.
  4. The phrase's map is resized to the pixels of the image, and its maximum is the point.
  5. The segmenter is prompted with all points of an answer in one batch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pixfoundation.attention.row_convention import (
    PRESETS,
    Alignment,
    Maps,
    RowConvention,
    row_convention,
    token_maps,
)
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
from pixfoundation.forward import Forward, Need
from pixfoundation.geometry import GridFrame, upsample
from pixfoundation.grounding.attend_options import (
    PhraseOptions,
    PromptShape,
    SegmenterPromptOptions,
)
from pixfoundation.grounding.points import Box, Peak, box_around, high_cells, mask_of, peaks
from pixfoundation.kept_maps import KeptMap
from pixfoundation.masks import Mask
from pixfoundation.models.base import Capability
from pixfoundation.option_bundles import takes_bundles
from pixfoundation.phrases import NounPhrases, pipeline_name
from pixfoundation.reading import readings
from pixfoundation.reading.attention import AttentionReading
from pixfoundation.reading.base import Reading, ReadingFactory, origin_of, read_maps
from pixfoundation.segmenters.base import (
    AnySegmenter,
    Segmenter,
    SegmenterOutput,
    accepted_prompts,
    takes_points,
)
from pixfoundation.typed_options import OneOf, takes_options_of
from pixfoundation.types import Answer, AttentionTrace, Candidate, Phrase

PhrasePoint = tuple[Phrase, Peak, Maps]
"""A phrase, one of its points, and its map on the grid, float32 [rows, columns]."""


def _reading_factory(name: str) -> ReadingFactory:
    return readings.get(name or "attention")


@takes_options_of(_reading_factory)
@takes_bundles(phrases=PhraseOptions, prompts=SegmenterPromptOptions)
def load(
    segmenter: AnySegmenter | None,
    phrases: PhraseOptions,
    prompts: SegmenterPromptOptions,
    *,
    conventions: GroundingConventions = DEFAULT.grounding,
    reading: str = "attention",
    preset: Annotated[str, OneOf(tuple(PRESETS))] | None = None,
    keep_maps: bool = False,
    **reading_options: Any,
) -> AttendAndSegment:
    """Make the grounder.

    The fields of the bundles are keyword options of this function.

    Args:
        segmenter: A segmenter that accepts points, and boxes or masks if `prompt` asks for them.
        phrases: Which phrases of an answer are grounded.
        prompts: How the map of a phrase becomes prompts of the segmenter.
        conventions: Rules of the grounders; `docs/grounding.md` lists where the default rules
            differ from the published code.
        reading: Name of the reading that makes the map of a phrase; `pixfoundation readings` lists
            them. All but `attention` read a pass over prompt and answer.
        preset: Name of a row convention in `attention.row_convention.PRESETS`; by default the one
            that `conventions.attention_row` selects.
        keep_maps: Whether the map of each phrase is kept with its first mask, which reports show.
        reading_options: The options of the reading.

    Raises:
        DataError: If there is no segmenter, if it does not accept the prompts, or if an option is
            out of range.
    """
    if segmenter is None:
        raise DataError("Attend-and-segment needs a segmenter: it turns points into masks.")
    if not takes_points(segmenter):
        raise DataError(
            f"The segmenter {segmenter.name!r} takes text, not points or boxes. Use it with the "
            "grounder 'words'."
        )
    if prompts.prompt is PromptShape.MASK and "masks" not in accepted_prompts(segmenter):
        raise DataError(
            f"The segmenter {segmenter.name!r} cannot be prompted with masks: its `prompts` are "
            f"{', '.join(sorted(accepted_prompts(segmenter)))}."
        )
    maps = readings.get(reading)(**reading_options)
    if preset is not None and not _is_plain(maps):
        raise DataError(
            "The option `preset` chooses among the rows that are captured while generating; the "
            f"reading {reading!r} with these options reads another pass. Leave out `preset`."
        )
    published_row = conventions.attention_row is AttentionRow.PUBLISHED
    default_preset = "pixfoundation" if published_row else "default"
    return AttendAndSegment(
        segmenter,
        NounPhrases(
            pronouns=phrases.pronouns,
            fallback=phrases.fallback,
            trim=conventions.phrase_edges is PhraseEdges.TRIMMED,
        ),
        row_convention(preset or default_preset),
        conventions,
        prompts.prompt,
        prompts.points,
        prompts.rank,
        prompts.threshold,
        keep_maps=keep_maps,
        reading=maps,
    )


def _is_plain(reading: Reading) -> bool:
    """Return whether the map of a phrase is read from the rows captured while generating."""
    return isinstance(reading, AttentionReading) and reading.is_plain


@dataclass(frozen=True, slots=True)
class AttendAndSegment:
    """The grounder `attend-and-segment`.

    Attributes:
        segmenter: The segmenter that turns prompts into masks.
        phrases: Finds the noun phrases.
        row_convention: Which attention row belongs to a token.
        conventions: Rules of the grounders; those about phrases and rows are superseded by
            `phrases` and `row_convention`.
        prompt: Prompt of the segmenter: the point; the box around the connected high cells that
            contain the point; or the point and these cells as a rough mask.
        points: Number of points per phrase, the highest first, at least a grid cell apart.
        rank: Take the rank-th highest pixel instead of the highest, from 1 (a diagnostic).
        threshold: Height above which a cell is high, between the lowest (0) and the highest value
            (1) of the map.
        reading: What makes the map of a phrase.
        keep_maps: Whether the map of each phrase is kept with its first mask.
        name: Name of the grounder.
    """

    segmenter: Segmenter
    phrases: NounPhrases = field(default_factory=NounPhrases)
    row_convention: RowConvention = field(default_factory=RowConvention)
    conventions: GroundingConventions = DEFAULT.grounding
    prompt: PromptShape = PromptShape.POINT
    points: int = 1
    rank: int = 1
    threshold: float = 0.5
    keep_maps: bool = False
    name: str = "attend-and-segment"
    reading: Reading = field(default_factory=AttentionReading)

    @property
    def uses(self) -> frozenset[Capability]:
        """Capabilities of the model that it needs: attention, if that is what is read."""
        return frozenset({"attention"}) if _is_plain(self.reading) else frozenset()

    @property
    def forward_needs(self) -> frozenset[Need]:
        """What it asks of the pass over prompt and answer; nothing if it needs no such pass."""
        return frozenset() if _is_plain(self.reading) else self.reading.needs

    def ground(self, image: Image.Image, answer: Answer) -> list[Candidate]:
        """Return the masks of every phrase of an answer.

        Args:
            image: The image that the answer is about.
            answer: An answer with its trace.

        Returns:
            Candidates in the order of the phrases, those of one prompt together; an empty list if
            the answer has no phrase.

        Raises:
            DataError: If the answer has no trace, or the trace belongs to another image size.
        """
        if not answer.token_ids:
            return []
        frame, phrase_maps = self.read(image, answer)
        alone = _is_plain(self.reading) and len(answer.token_ids) == 1
        return self.segment_maps(image, frame, phrase_maps, alone=alone)

    def segment_maps(
        self,
        image: Image.Image,
        frame: GridFrame,
        phrase_maps: Sequence[tuple[Phrase, Maps]],
        *,
        alone: bool = False,
    ) -> list[Candidate]:
        """Return the masks at the points of maps.

        Args:
            image: The image.
            frame: Position of the grid on the image.
            phrase_maps: Phrases with their maps, float32 [grid rows, grid columns].
            alone: Whether the answer is a single token, whose map has no mean to be compared with.

        Returns:
            As `ground`.
        """
        if not phrase_maps:
            return []
        pointed = [
            (phrase, peak, grid)
            for phrase, grid in phrase_maps
            for peak in self._peaks(grid, frame, alone=alone)
        ]
        boxes = self._boxes(pointed, frame) if self.prompt is PromptShape.BOX else []
        output = self._segment(image, frame, pointed, boxes)
        candidates = self._candidates(pointed, boxes, output)
        if not self.keep_maps:
            return candidates
        kept = {phrase.span: KeptMap.of(grid, frame) for phrase, grid in phrase_maps}
        return _with_maps(candidates, kept)

    def read(
        self, image: Image.Image, answer: Answer
    ) -> tuple[GridFrame, list[tuple[Phrase, Maps]]]:
        """Return each phrase of an answer with the map that the reading gives.

        Args:
            image: The image that the answer is about.
            answer: An answer of at least one token, with its trace or its pass.

        Returns:
            The position of the grid on the image, and the phrases that have tokens, in the order of
            the text, each with its map, float32 [grid rows, grid columns].

        Raises:
            DataError: If the answer lacks what is read, or belongs to another image size.
        """
        if _is_plain(self.reading):
            trace = _trace_for(image, answer)
            return trace.frame, self.phrase_maps(trace, answer)
        forward = _forward_for(image, answer)
        return forward.frame, self._forward_maps(forward, answer)

    def _forward_maps(self, forward: Forward, answer: Answer) -> list[tuple[Phrase, Maps]]:
        phrases = [phrase for phrase in self.phrases.find(answer) if phrase.tokens]
        if not phrases:
            return []
        (maps,) = read_maps([self.reading], forward, [phrase.tokens for phrase in phrases])
        return list(zip(phrases, maps, strict=True))

    def phrase_maps(self, trace: AttentionTrace, answer: Answer) -> list[tuple[Phrase, Maps]]:
        """Return each phrase of an answer with its map.

        Args:
            trace: The captured attention of the answer.
            answer: The answer, with its token ids and spans.

        Returns:
            The phrases that have tokens, in the order of the text, each with its map on the grid,
            float32 [grid rows, grid columns].
        """
        maps = self._token_maps(trace, len(answer.token_ids))  # (tokens, rows, columns)
        return [
            (phrase, maps[list(phrase.tokens)].mean(axis=0))
            for phrase in self.phrases.find(answer)
            if phrase.tokens and phrase.tokens[-1] < len(maps)
        ]

    def fingerprint(self) -> dict[str, Any]:
        """Return the settings, as JSON data."""
        return {
            "reading": asdict(self.row_convention),
            "phrases": {**asdict(self.phrases), "pipeline": pipeline_name(self.phrases.pipeline)},
            "published": self.conventions == PUBLISHED.grounding,
            "prompt": self.prompt,
            "points": self.points,
            "rank": self.rank,
            "threshold": self.threshold,
            **(
                {}
                if _is_plain(self.reading)
                else {"maps": {"reading": self.reading.name, **self.reading.settings()}}
            ),
            **({"reading_module": module} if (module := origin_of(self.reading.name)) else {}),
            **({"keep_maps": True} if self.keep_maps else {}),
        }

    def _token_maps(self, trace: AttentionTrace, tokens: int) -> Maps:
        """Return the centred maps; for a single token its plain map, unless a rule says otherwise.

        A single token minus its own mean would be zero everywhere.
        """
        centred = tokens > 1 or self.conventions.single_token is SingleToken.CENTRED
        maps = token_maps(trace, tokens, self.row_convention, centred=centred)
        dropped = self.conventions.last_token is LastToken.DROPPED
        if dropped and self.row_convention.alignment is Alignment.SELF:
            return maps[: tokens - 1]  # the published code has no row for the last token
        return maps

    def _peaks(self, grid: Maps, frame: GridFrame, *, alone: bool) -> list[Peak]:
        """Return the points of a map; `alone` says whether its token is the whole answer."""
        pixels = upsample(grid[None], frame)[0]  # (height, width)
        x0, y0, x1, y1 = frame.box
        cell = ((x1 - x0) / frame.columns, (y1 - y0) / frame.rows)
        maxima = peaks(pixels, cell, self.points, self.rank)
        at_origin = self.conventions.degenerate_map is DegenerateMap.ORIGIN
        if at_origin and maxima[0].degenerate:
            return [Peak((0.0, 0.0), degenerate=True)]
        return [Peak(peak.point, peak.degenerate or alone) for peak in maxima]

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
        if self.prompt is PromptShape.POINT:
            return self.segmenter.segment(image, points=points)
        rough = [mask_of(self._high(grid, frame, peak), frame) for _, peak, grid in pointed]
        return self.segmenter.segment(image, points=points, masks=rough)

    def _candidates(
        self, pointed: Sequence[PhrasePoint], boxes: Sequence[Box], output: SegmenterOutput
    ) -> list[Candidate]:
        return [
            Candidate(
                mask=Mask.from_array(output.masks[place, index]),
                phrase=phrase,
                point=peak.point,
                box=boxes[place] if boxes else None,
                score=float(output.scores[place, index]),
                index=index,
                degenerate=peak.degenerate,
            )
            for place, (phrase, peak, _) in enumerate(pointed)
            for index in range(output.masks.shape[1])
        ]


def _forward_for(image: Image.Image, answer: Answer) -> Forward:
    if answer.forward is None:
        raise DataError(
            "The answer carries no pass over prompt and answer, which the reading needs. Ask the "
            "model with Decoding(forward=True)."
        )
    size = (image.height, image.width)
    if answer.forward.frame.image_size != size:
        raise DataError(
            f"The answer is about an image of {answer.forward.frame.image_size} pixels (height, "
            f"width), but this image has {size}."
        )
    return answer.forward


def _with_maps(
    candidates: Sequence[Candidate], kept: Mapping[tuple[int, int], KeptMap | None]
) -> list[Candidate]:
    """Return candidates with the map of each phrase on its first mask."""
    left = dict(kept)
    return [
        replace(candidate, map=left.pop(candidate.phrase.span, None))
        if candidate.phrase is not None
        else candidate
        for candidate in candidates
    ]


def _trace_for(image: Image.Image, answer: Answer) -> AttentionTrace:
    if answer.trace is None:
        raise DataError(
            "The answer has no attention trace. Ask the model with Decoding(attention=True)."
        )
    size = (image.height, image.width)
    if answer.trace.frame.image_size != size:
        raise DataError(
            f"The attention belongs to an image of {answer.trace.frame.image_size} pixels (height, "
            f"width), but this image has {size}."
        )
    return answer.trace
