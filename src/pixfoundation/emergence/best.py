"""Which phrase of an answer gave the best mask, and where in the answer it stands.

An oracle knows the ground truth: it says where grounding *could* be had, not what a model chose.
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
from pixfoundation.runs.records import AnswerRecord, Key
from pixfoundation.runs.run_records import RunRecords, by_prompt
from pixfoundation.runs.store import RunDirectory
from pixfoundation.types import Candidate, Phrase, Protocol, Sample

Point = tuple[float, float]
PUBLISHED_CUT = "- "
"""The published files are split there, so a text ends at its first dash and blank."""


@dataclass(frozen=True, slots=True, eq=False)
class AnswerOverlap:
    """One answer with the masks of its phrases, held against the ground truth.

    Attributes:
        sample: With a mask that is not empty.
        answer: The model's.
        phrases: Those that have masks, in the order of the candidates.
        iou: Each phrase's best mask, float64 [phrases].
        places: First character of each phrase over the length of the answer, float64 [phrases],
            0 to 1; above 1 only under the published rules, which cut answers short.
        token_places: The same in tokens; NaN where an answer holds no tokens.
        random_iou: Best mask at each random point, float64 [points].
        hit: Whether each phrase's point lies in the ground truth, float64 [phrases]; NaN without a
            point.
        random_hit: The same of the random points, float64 [points].
        points: (x, y) that each phrase attends to; None where no point was used or is known.
        best: Index of the best phrase; None if no mask overlaps the ground truth at all.
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


def grounded_answers(
    run: RunRecords | RunDirectory,
    protocol: Protocol,
    *,
    conventions: EmergenceConventions = DEFAULT.emergence,
) -> list[AnswerOverlap]:
    """Return every answer that has candidates with phrases and something to find.

    Args:
        run: A run directory, own or imported, or its records.
        protocol: Of the answers.
        conventions: Rules of the emergence analysis.
    """
    records = RunRecords.of(run)
    answers, candidates = records.answers, records.candidates
    found = []
    for sample in records.samples:
        key = (sample.id, protocol)
        if sample.mask.is_empty or sample.expression is None:
            continue
        if key not in candidates or key not in answers or candidates[key].error:
            continue
        with_phrase = [
            candidate
            for candidate in candidates[key].candidates
            if candidate.phrase is not None and candidate.phrase.span[0] < candidate.phrase.span[1]
        ]  # an import that does not know a phrase's place gives it an empty span
        if with_phrase:
            record = candidates[key]
            found.append(
                _hold(sample, answers[key], with_phrase, record.random, conventions=conventions)
            )
    return found


def oracle(iou: NDArray[np.float64], ties: Ties) -> NDArray[np.int64]:
    """Return which phrase an oracle picks.

    Args:
        iou: Of the phrases of an answer, float64 [..., phrases].
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
    """Return the words of the best phrase of each answer that has one, for a judge to label."""
    return {
        each.answer.key: each.phrases[each.best].text
        for each in grounded_answers(run, protocol, conventions=conventions)
        if each.best is not None
    }


def best_points(
    run: RunRecords | RunDirectory, protocol: Protocol = 3
) -> dict[str, tuple[str, Point]]:
    """Return the best phrase of each answer and the (x, y) that it attends to, by sample id."""
    found = {}
    for each in grounded_answers(run, protocol):
        if each.best is not None and (point := each.points[each.best]) is not None:
            found[each.sample.id] = (each.phrases[each.best].text, point)
    return found


def _hold(
    sample: Sample,
    answer: AnswerRecord,
    candidates: Sequence[Candidate],
    random: Sequence[Candidate],
    *,
    conventions: EmergenceConventions,
) -> AnswerOverlap:
    counted = conventions.no_overlap is NoOverlap.COUNTED
    groups = list(_by_phrase(candidates))
    phrases = tuple(phrase for phrase, _ in groups)
    best_of = np.array([ious([c.mask for c in masks], sample.mask).max() for _, masks in groups])
    points = by_prompt(random)
    cut = conventions.answer_length is AnswerLength.CUT
    text = _published_text(answer.text) if cut else answer.text.rstrip()
    starts = np.array([phrase.span[0] for phrase in phrases], dtype=np.float64)
    tokens = len(answer.token_ids)
    truth = sample.mask.decode()
    firsts = np.array([p.tokens[0] if p.tokens else np.nan for p in phrases], dtype=np.float64)
    best = int(oracle(best_of, conventions.ties))
    return AnswerOverlap(
        sample,
        answer,
        phrases,
        best_of,
        starts / max(len(text), 1),
        firsts / tokens if tokens else np.full(len(phrases), np.nan),
        np.array([ious([c.mask for c in masks], sample.mask).max() for masks in points]),
        _hits([masks[0].point for _, masks in groups], truth),
        _hits([masks[0].point for masks in points], truth),
        tuple(masks[0].point for _, masks in groups),
        best if counted or best_of[best] > 0 else None,
    )


def _published_text(text: str) -> str:
    """Return what the published reader sees of an answer: one line, up to the first `- `."""
    return text.replace("\n", " ").split(PUBLISHED_CUT)[0].rstrip()


def _by_phrase(candidates: Sequence[Candidate]) -> Iterator[tuple[Phrase, list[Candidate]]]:
    """Group neighbours: imported files may name one place twice, and their order decides ties."""
    for phrase, members in groupby(candidates, key=lambda candidate: candidate.phrase):
        if phrase is not None:
            yield phrase, list(members)


def _hits(points: Sequence[Point | None], truth: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return whether each point lies in the ground truth, as 0 or 1; NaN without a point."""
    return np.array([np.nan if point is None else _contains(truth, point) for point in points])


def _contains(truth: NDArray[np.bool_], point: Point) -> float:
    """As `Mask.contains` has it, with the mask decoded once for all points of an answer."""
    column, row = (math.floor(value) for value in point)
    height, width = truth.shape
    return float(0 <= column < width and 0 <= row < height and truth[row, column])
