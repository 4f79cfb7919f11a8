"""What chance finds: an oracle over N phrases x 3 masks always finds something.

Three nulls, each drawn many times:
  * uniform: a phrase picked uniformly from each answer;
  * shuffled: the masks of an answer's phrases dealt out anew among them, then the oracle;
  * random: the masks at random points of the image dealt out to the phrases, then the oracle.
A best mask that has nothing to do with its phrase falls on the places that an answer offers, and
long answers offer more late places: so 'where' is tested against the phrases that were available.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixfoundation.emergence.best import Grounded

BINS = 10
Pick = Callable[[Grounded, np.random.Generator], tuple[int, float]]
Count = Callable[[NDArray[np.float64]], NDArray[np.int64]]


@dataclass(frozen=True, slots=True, eq=False)
class Band:
    """A null's histogram: what lies between the percentiles is what chance gives.

    Attributes:
        name: `uniform`, `shuffled` or `random`.
        mean: Expected count in each bin, float64 [bins].
        low: Percentile 2.5 of the counts, float64 [bins].
        high: Percentile 97.5, float64 [bins].
        miou: Mean IoU of what this null selects.
    """

    name: str
    mean: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    miou: float

    def to_json(self) -> dict[str, Any]:
        """Returns the band as plain JSON data."""
        return {
            "mean": self.mean.tolist(),
            "low": self.low.tolist(),
            "high": self.high.tolist(),
            "miou": self.miou,
        }


def histogram(places: NDArray[np.float64]) -> NDArray[np.int64]:
    """Counts places in ten bins of a tenth; a place of 1 is in the last, so nothing is dropped."""
    index = np.clip((places * BINS).astype(np.int64), 0, BINS - 1)
    return np.bincount(index, minlength=BINS)


def published_histogram(places: NDArray[np.float64]) -> NDArray[np.int64]:
    """Counts places in ten half-open bins; 1 and above are dropped, as published.

    In percent, as the published script has them: the edges of ten percents are exact numbers.
    """
    percents = places * 100
    edges = np.arange(BINS + 1) * (100 // BINS)
    return np.histogram(percents[percents < 100], bins=edges)[0]


def bands(
    found: Sequence[Grounded], draws: int, rng: np.random.Generator, count: Count = histogram
) -> list[Band]:
    """Returns the three nulls of the location histogram.

    Args:
        found: The answers that the histogram is of, each with a best phrase.
        draws: How often each null is drawn.
        rng: Where chance comes from.
        count: How places become bins: as in the histogram that the bands are for.
    """
    return [
        _band("uniform", found, draws, rng, _uniform, count),
        _band("shuffled", found, draws, rng, _shuffled, count),
        *(
            [_band("random", found, draws, rng, _random, count)]
            if all(len(each.random_iou) for each in found)
            else []
        ),
    ]


def _band(
    name: str,
    found: Sequence[Grounded],
    draws: int,
    rng: np.random.Generator,
    pick: Pick,
    count: Count,
) -> Band:
    counts = np.zeros((draws, BINS))
    total = 0.0
    for draw in range(draws):
        picks = [pick(each, rng) for each in found]
        places = np.array([e.places[index] for e, (index, _) in zip(found, picks, strict=True)])
        counts[draw] = count(places)
        total += float(np.mean([iou for _, iou in picks]))
    low, high = np.percentile(counts, [2.5, 97.5], axis=0)
    return Band(name, counts.mean(axis=0), low, high, total / draws)


def _uniform(each: Grounded, rng: np.random.Generator) -> tuple[int, float]:
    index = int(rng.integers(len(each.phrases)))
    return index, float(each.iou[index])


def _shuffled(each: Grounded, rng: np.random.Generator) -> tuple[int, float]:
    dealt = each.iou[rng.permutation(len(each.iou))]
    index = int(dealt.argmax())
    return index, float(dealt[index])


def _random(each: Grounded, rng: np.random.Generator) -> tuple[int, float]:
    dealt = each.random_iou[rng.permutation(len(each.random_iou))[: len(each.phrases)]]
    index = int(dealt.argmax())
    return index, float(dealt[index])


def permutation_p(
    values: Sequence[NDArray[np.float64]],
    chosen: Sequence[int],
    draws: int,
    rng: np.random.Generator,
) -> float:
    """Tests whether the chosen items' mean differs from that of uniform picks.

    Args:
        values: Of the items that each answer offers, float64 [items] each.
        chosen: Which item was chosen in each.
        draws: How often chance is drawn.
        rng: Where it comes from.

    Returns:
        The two-sided p, at least 1 / (draws + 1).
    """
    if not values:
        return 1.0
    observed = float(np.mean([v[i] for v, i in zip(values, chosen, strict=True)]))
    expected = float(np.mean([v.mean() for v in values]))
    lengths = np.array([len(v) for v in values])
    table = np.zeros((len(values), int(lengths.max())))
    for row, v in zip(table, values, strict=True):
        row[: len(v)] = v
    picks = (rng.random((draws, len(values))) * lengths).astype(np.int64)
    means = table[np.arange(len(values)), picks].mean(axis=1)  # (draws,)
    tolerance = 1e-12  # so that equal means count as equal whatever the order of summation
    extreme = int((np.abs(means - expected) >= abs(observed - expected) - tolerance).sum())
    return (extreme + 1) / (draws + 1)
