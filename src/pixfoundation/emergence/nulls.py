"""What chance finds: an oracle over N phrases with 3 masks each always finds something.

Three null hypotheses, each drawn many times:
  * uniform: a phrase is picked uniformly from each answer;
  * shuffled: the masks are shuffled among the phrases of their answer, then the oracle picks;
  * random: the masks at random points of the image are dealt to the phrases, then the oracle picks.
A best mask that has nothing to do with its phrase falls on the places that an answer offers, and
long answers offer more late places. Phrases of one answer often share their best mask; then the
tie rule decides (by default the first wins, in the published code the last), which by itself
favours a place. The oracles of the nulls break ties by the same rule, so its effect is in them too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixfoundation.conventions import Ties
from pixfoundation.emergence.overlaps import AnswerOverlap, oracle

BINS = 10
"""Number of bins of a location histogram."""
Count = Callable[[NDArray[np.float64]], NDArray[np.int64]]


@dataclass(frozen=True, slots=True, eq=False)
class NullDraws:
    """What a null picks in each draw.

    Attributes:
        name: `uniform`, `shuffled` or `random`.
        picks: Index of the phrase picked in each answer, int64 [draws, answers].
        miou: Mean IoU of the picks.
    """

    name: str
    picks: NDArray[np.int64]
    miou: float


@dataclass(frozen=True, slots=True, eq=False)
class ChanceBand:
    """Counts under a null: what lies between the percentiles may be chance.

    Attributes:
        name: `uniform`, `shuffled` or `random`.
        mean: Expected count in each bin or category, float64 [bins].
        low: Percentile 2.5 of the counts, float64 [bins].
        high: Percentile 97.5 of the counts, float64 [bins].
    """

    name: str
    mean: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]

    def to_json(self) -> dict[str, Any]:
        """Return the band as plain JSON data."""
        return {"mean": self.mean.tolist(), "low": self.low.tolist(), "high": self.high.tolist()}


def histogram(places: NDArray[np.float64]) -> NDArray[np.int64]:
    """Count places in ten equal bins; a place of 1 is in the last bin, so nothing is dropped."""
    index = np.clip((places * BINS).astype(np.int64), 0, BINS - 1)
    return np.bincount(index, minlength=BINS)


def published_histogram(places: NDArray[np.float64]) -> NDArray[np.int64]:
    """Count places in ten half-open bins; 1 and above are dropped, as published.

    Places are compared in percent, as in the published script, so that the edges are exact numbers.
    """
    percents = places * 100
    edges = np.arange(BINS + 1) * (100 // BINS)
    return np.histogram(percents[percents < 100], bins=edges)[0]


def draw_nulls(
    answers: Sequence[AnswerOverlap],
    draws: int,
    rng: np.random.Generator,
    ties: Ties = Ties.FIRST,
) -> list[NullDraws]:
    """Draw the three nulls; `random` only if every answer has masks at random points.

    Args:
        answers: Answers with a best phrase.
        draws: Number of draws per null.
        rng: Generator of the draws.
        ties: Which of equal masks wins.
    """
    nulls = {"uniform": _uniform, "shuffled": _shuffled}
    if all(len(answer.random_iou) for answer in answers):
        nulls["random"] = _random
    drawn: list[NullDraws] = []
    for name, null in nulls.items():
        picks = np.zeros((draws, len(answers)), np.int64)
        total = 0.0
        for column, answer in enumerate(answers):
            picks[:, column], iou = null(answer, draws, rng, ties)
            total += float(iou.mean())
        drawn.append(NullDraws(name, picks, total / max(len(answers), 1)))
    return drawn


def _uniform(
    answer: AnswerOverlap, draws: int, rng: np.random.Generator, ties: Ties
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    picks = rng.integers(len(answer.phrases), size=draws)
    return picks, answer.iou[picks]


def _shuffled(
    answer: AnswerOverlap, draws: int, rng: np.random.Generator, ties: Ties
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    dealt = rng.permuted(np.tile(answer.iou, (draws, 1)), axis=1)  # (draws, phrases)
    return oracle(dealt, ties), dealt.max(axis=1)


def _random(
    answer: AnswerOverlap, draws: int, rng: np.random.Generator, ties: Ties
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    phrases, points = len(answer.phrases), len(answer.random_iou)
    # With fewer points than phrases some phrases have no mask, and lose to any that has one.
    masks = np.concatenate([answer.random_iou, np.full(max(phrases - points, 0), -1.0)])
    dealt = rng.permuted(np.tile(masks, (draws, 1)), axis=1)[:, :phrases]
    return oracle(dealt, ties), dealt.max(axis=1)


def values_at(
    values: Sequence[NDArray[np.float64]], picks: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the values of the phrases that were picked.

    Args:
        values: One array per answer, with one value per phrase, float64 [phrases].
        picks: Index of the phrase picked in each answer, int64 [draws, answers].

    Returns:
        float64 [draws, answers].
    """
    table = np.full((len(values), max((len(v) for v in values), default=0)), np.nan)
    for row, v in zip(table, values, strict=True):
        row[: len(v)] = v
    return table[np.arange(len(values)), picks]


def location_band(
    drawn: NullDraws, places: Sequence[NDArray[np.float64]], count: Count
) -> ChanceBand:
    """Return the band of a null for the location histogram.

    Args:
        drawn: The draws of the null.
        places: One array per answer, with the place of each phrase.
        count: Counts places in bins, as in the histogram that the band belongs to.
    """
    return _band(drawn.name, np.array([count(row) for row in values_at(places, drawn.picks)]))


def concept_band(
    drawn: NullDraws, concepts: Sequence[NDArray[np.float64]], categories: int
) -> ChanceBand:
    """Return the band of a null for the concept histogram.

    Args:
        drawn: The draws of the null.
        concepts: One array per answer, with the number of the concept of each phrase.
        categories: Number of concepts.
    """
    rows = values_at(concepts, drawn.picks)
    return _band(drawn.name, np.stack([(rows == k).sum(axis=1) for k in range(categories)], 1))


def _band(name: str, counts: NDArray[np.int64]) -> ChanceBand:
    low, high = np.percentile(counts, [2.5, 97.5], axis=0)
    return ChanceBand(name, counts.mean(axis=0), low, high)
