"""How well the masks of each phrase of an answer overlap the ground truth, and which is best.

The best phrase is that of an oracle, which knows the ground truth: it shows where grounding *could*
be had, not what a model chose.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from pixfoundation.conventions import (
    DEFAULT,
    AnswerLength,
    EmergenceConventions,
    NoOverlap,
    Ties,
)
from pixfoundation.masks import ious
from pixfoundation.runs.records import AnswerRecord, CandidateRecord, Key
from pixfoundation.runs.run_records import RunRecords, by_prompt
from pixfoundation.runs.store import RunDirectory
from pixfoundation.types import Candidate, Phrase, Protocol, Sample

Point = tuple[float, float]
PUBLISHED_CUT = "- "
"""The published reader splits its files there, so it sees a text up to its first `- `."""


@dataclass(frozen=True, slots=True, eq=False)
class AnswerOverlap:
    """One answer with the masks of its phrases, compared with the ground truth.

    Attributes:
        sample: The sample; its ground truth is not empty.
        answer: The answer of the model.
        phrases: The phrases that have masks, in the order of the candidates.
        iou: IoU of the best mask of each phrase, float64 [phrases].
        places: First character of each phrase over the length of the answer, float64 [phrases],
            0 to 1; above 1 only where the conventions cut answers short.
        token_places: First token of each phrase over the number of tokens, float64 [phrases]; NaN
            where the tokens are not known.
        random_iou: IoU of the best mask of each random point, float64 [points].
        hit: 1 where the point of a phrase lies in the ground truth, else 0, float64 [phrases]; NaN
            without a point.
        random_hit: The same for the random points, float64 [points].
        points: (x, y) that each phrase attends to; None where no point was used or is known.
        best: Index of the best phrase; None if no mask overlaps the ground truth.
    """

    sample: Sample
    answer: AnswerRecord
    phrases: tuple[Phrase, ...]
    iou: NDArray[np.float64]
    places: NDArray[np.float64]
    token_places: NDArray[np.float64]
    random_iou: NDArray[np.float64]
    hit: NDArray[np.float64]
    random_hit: NDArray[np.float64]
    points: tuple[Point | None, ...]
    best: int | None


def answer_overlaps(
    run: RunRecords | RunDirectory,
    protocol: Protocol,
    *,
    conventions: EmergenceConventions = DEFAULT.emergence,
    thoughts: bool = False,
) -> list[AnswerOverlap]:
    """Return the overlaps of every answer with phrases, where there is an object to find.

    Args:
        run: A run directory, collected or imported, or its records.
        protocol: The protocol of the answers.
        conventions: Rules of the emergence analysis.
        thoughts: Whether places count from the beginning of the model's thoughts, not from that of
            its answer.
    """
    records = RunRecords.of(run)
    overlaps: list[AnswerOverlap] = []
    for sample in records.samples:
        if sample.mask.is_empty or not sample.has_truth:
            continue
        key: Key = (sample.id, protocol)
        answer, candidates = records.answers.get(key), records.candidates.get(key)
        if answer is None or candidates is None or candidates.error:
            continue
        groups = list(_by_phrase(candidates.candidates))
        if groups:
            overlaps.append(_overlap(sample, answer, groups, candidates, conventions, thoughts))
    return overlaps


def oracle(iou: NDArray[np.float64], ties: Ties) -> NDArray[np.int64]:
    """Return the index of the phrase that an oracle picks.

    Args:
        iou: IoU of the phrases of an answer, float64 [..., phrases].
        ties: Which of equal phrases wins.

    Returns:
        int64 [...].
    """
    if ties is Ties.LAST:
        return iou.shape[-1] - 1 - iou[..., ::-1].argmax(axis=-1)
    return iou.argmax(axis=-1)


def best_phrases(
    run: RunRecords | RunDirectory,
    protocol: Protocol,
    *,
    conventions: EmergenceConventions = DEFAULT.emergence,
) -> dict[Key, str]:
    """Return the text of the best phrase of each answer that has one, for a judge to label."""
    return {
        overlap.answer.key: overlap.phrases[overlap.best].text
        for overlap in answer_overlaps(run, protocol, conventions=conventions)
        if overlap.best is not None
    }


def best_points(
    run: RunRecords | RunDirectory, protocol: Protocol = 3
) -> dict[str, tuple[str, Point]]:
    """Return the best phrase of each answer and the (x, y) that it attends to, by sample id."""
    points: dict[str, tuple[str, Point]] = {}
    for overlap in answer_overlaps(run, protocol):
        if overlap.best is not None and (point := overlap.points[overlap.best]) is not None:
            points[overlap.sample.id] = (overlap.phrases[overlap.best].text, point)
    return points


def _overlap(
    sample: Sample,
    answer: AnswerRecord,
    groups: Sequence[tuple[Phrase, Sequence[Candidate]]],
    candidates: CandidateRecord,
    conventions: EmergenceConventions,
    with_thoughts: bool,
) -> AnswerOverlap:
    phrases = tuple(phrase for phrase, _ in groups)
    random = by_prompt(candidates.random)
    points = [masks[0].point for _, masks in groups]
    iou = _best_iou([masks for _, masks in groups], sample)
    best = int(oracle(iou, conventions.ties))
    cut = conventions.answer_length is AnswerLength.CUT
    text = _published_text(answer.text) if cut else answer.text.rstrip()
    starts = np.array([phrase.span[0] for phrase in phrases], dtype=np.float64)
    before = len(answer.thoughts) if with_thoughts else 0
    begin, end = (0, len(answer.token_ids)) if with_thoughts else _answer_tokens(answer)
    tokens = end - begin
    firsts = np.array([p.tokens[0] if p.tokens else np.nan for p in phrases], dtype=np.float64)
    truth = sample.mask.decode()
    return AnswerOverlap(
        sample=sample,
        answer=answer,
        phrases=phrases,
        iou=iou,
        places=(before + starts) / max(before + len(text), 1),
        token_places=(firsts - begin) / tokens if tokens else np.full(len(phrases), np.nan),
        random_iou=_best_iou(random, sample),
        hit=_hits(points, truth),
        random_hit=_hits([masks[0].point for masks in random], truth),
        points=tuple(points),
        best=best if conventions.no_overlap is NoOverlap.COUNTED or iou[best] > 0 else None,
    )


def _answer_tokens(answer: AnswerRecord) -> tuple[int, int]:
    """Return [first, end) of the tokens of an answer without its thoughts."""
    own = [i for i, (start, end) in enumerate(answer.spans) if start < end]
    if not answer.thoughts or not own:
        return 0, len(answer.token_ids)
    return own[0], own[-1] + 1


def _best_iou(groups: Sequence[Sequence[Candidate]], sample: Sample) -> NDArray[np.float64]:
    """Return the IoU of the best mask of each group, float64 [groups]."""
    return np.array(
        [ious([candidate.mask for candidate in group], sample.mask).max() for group in groups]
    )


def _published_text(text: str) -> str:
    """Return what the published reader sees of an answer: one line, up to the first `- `."""
    return text.replace("\n", " ").split(PUBLISHED_CUT)[0].rstrip()


def _by_phrase(candidates: Sequence[Candidate]) -> Iterator[tuple[Phrase, list[Candidate]]]:
    """Yield each phrase with its masks.

    Only neighbours are grouped: imported files may name one place twice, and their order decides
    ties. Phrases without a place in the answer, which an import gives an empty span, are left out.
    """
    placed = (c for c in candidates if c.phrase is not None and c.phrase.span[0] < c.phrase.span[1])
    for phrase, group in groupby(placed, key=lambda candidate: candidate.phrase):
        if phrase is not None:
            yield phrase, list(group)


def _hits(points: Sequence[Point | None], truth: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return 1 for each point in the ground truth, else 0, float64 [points]; NaN without a point.

    Agrees with `Mask.contains`; the mask is decoded once for all points of an answer.
    """
    return np.array([np.nan if point is None else _contains(truth, point) for point in points])


def _contains(truth: NDArray[np.bool_], point: Point) -> float:
    column, row = (math.floor(value) for value in point)
    height, width = truth.shape
    return float(0 <= column < width and 0 <= row < height and truth[row, column])
