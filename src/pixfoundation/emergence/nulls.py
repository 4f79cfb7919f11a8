"""What chance finds: an oracle over N phrases x 3 masks always finds something.

Three nulls, each drawn many times:
  * uniform: a phrase picked uniformly from each answer;
  * shuffled: the masks of an answer's phrases dealt out anew among them, then the oracle;
  * random: the masks at random points of the image dealt out to the phrases, then the oracle.
A best mask that has nothing to do with its phrase falls on the places that an answer offers, and
long answers offer more late places. Phrases of one answer often share their best mask; then a rule
decides (the first wins, or as published the last), and favours a place by itself. The two oracles
break ties by the same rule, so what the rule does is in the null too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixfoundation.conventions import Ties
from pixfoundation.emergence.best import AnswerOverlap, oracle

BINS = 10
Count = Callable[[NDArray[np.float64]], NDArray[np.int64]]


@dataclass(frozen=True, slots=True, eq=False)
class Draws:
    """What a null picks, draw by draw.

    Attributes:
        name: `uniform`, `shuffled` or `random`.
        picks: Index of the phrase that is picked in each answer, int64 [draws, answers].
        miou: Mean IoU of what is picked.
    """

    name: str
    picks: NDArray[np.int64]
    miou: float


@dataclass(frozen=True, slots=True, eq=False)
class Band:
    """A null's counts: what lies between the percentiles is what chance gives.

    Attributes:
        name: `uniform`, `shuffled` or `random`.
        mean: Expected count in each bin or category, float64 [bins].
        low: Percentile 2.5 of the counts, float64 [bins].
        high: Percentile 97.5, float64 [bins].
    """

    name: str
    mean: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]

    def to_json(self) -> dict[str, Any]:
        """Return the band as plain JSON data."""
        return {"mean": self.mean.tolist(), "low": self.low.tolist(), "high": self.high.tolist()}


def histogram(places: NDArray[np.float64]) -> NDArray[np.int64]:
    """Count places in ten bins of a tenth; a place of 1 is in the last, so nothing is dropped."""
    index = np.clip((places * BINS).astype(np.int64), 0, BINS - 1)
    return np.bincount(index, minlength=BINS)


def published_histogram(places: NDArray[np.float64]) -> NDArray[np.int64]:
    """Count places in ten half-open bins; 1 and above are dropped, as published.

    In percent, as the published script has them: the edges of ten percents are exact numbers.
    """
    percents = places * 100
    edges = np.arange(BINS + 1) * (100 // BINS)
    return np.histogram(percents[percents < 100], bins=edges)[0]


def draw_nulls(
    found: Sequence[AnswerOverlap], draws: int, rng: np.random.Generator, ties: Ties = Ties.FIRST
) -> list[Draws]:
    """Draws the three nulls; `random` only if every answer has masks at random points.

    Args:
        found: The answers, each with a best phrase.
        draws: How often each null is drawn.
        rng: Where chance comes from.
        ties: Which of equal masks wins.
    """
    nulls = {"uniform": _uniform, "shuffled": _shuffled}
    if all(len(each.random_iou) for each in found):
        nulls["random"] = _random
    drawn = []
    for name, null in nulls.items():
        picks = np.zeros((draws, len(found)), np.int64)
        total = 0.0
        for column, each in enumerate(found):
            picks[:, column], iou = null(each, draws, rng, ties)
            total += float(iou.mean())
        drawn.append(Draws(name, picks, total / max(len(found), 1)))
    return drawn


def _uniform(
    each: AnswerOverlap, draws: int, rng: np.random.Generator, ties: Ties
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    picks = rng.integers(len(each.phrases), size=draws)
    return picks, each.iou[picks]


def _shuffled(
    each: AnswerOverlap, draws: int, rng: np.random.Generator, ties: Ties
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    dealt = rng.permuted(np.tile(each.iou, (draws, 1)), axis=1)  # (draws, phrases)
    return oracle(dealt, ties), dealt.max(axis=1)


def _random(
    each: AnswerOverlap, draws: int, rng: np.random.Generator, ties: Ties
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    phrases, points = len(each.phrases), len(each.random_iou)
    # With fewer points than phrases some phrases go without, and lose to any mask.
    held = np.concatenate([each.random_iou, np.full(max(phrases - points, 0), -1.0)])
    dealt = rng.permuted(np.tile(held, (draws, 1)), axis=1)[:, :phrases]
    return oracle(dealt, ties), dealt.max(axis=1)


def picked(values: Sequence[NDArray[np.float64]], picks: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the values of what was picked.

    Args:
        values: Of the phrases that each answer offers, float64 [phrases] each.
        picks: int64 [draws, answers].

    Returns:
        float64 [draws, answers].
    """
    table = np.full((len(values), max((len(v) for v in values), default=0)), np.nan)
    for row, v in zip(table, values, strict=True):
        row[: len(v)] = v
    return table[np.arange(len(values)), picks]


def location_band(drawn: Draws, places: Sequence[NDArray[np.float64]], count: Count) -> Band:
    """Return what a null gives for the location histogram.

    Args:
        drawn: A null.
        places: Of the phrases of each answer.
        count: How places become bins: as in the histogram that the band is for.
    """
    return _band(drawn.name, np.array([count(row) for row in picked(places, drawn.picks)]))


def concept_band(drawn: Draws, concepts: Sequence[NDArray[np.float64]], categories: int) -> Band:
    """Return what a null gives for the concept histogram.

    Args:
        drawn: A null.
        concepts: Number of the category of each phrase of each answer.
        categories: How many there are.
    """
    rows = picked(concepts, drawn.picks)
    return _band(drawn.name, np.stack([(rows == k).sum(axis=1) for k in range(categories)], 1))


def _band(name: str, counts: NDArray[np.int64]) -> Band:
    low, high = np.percentile(counts, [2.5, 97.5], axis=0)
    return Band(name, counts.mean(axis=0), low, high)
