"""Estimates with intervals by bootstrap: pairs are drawn with replacement.

A pair is drawn as one unit, since its two images share one question. All numbers of a run are
recomputed on the same draws, so that a number made of others (S, a difference between two runs)
gets its interval from the same resampling.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pixfoundation.types import Sample
from pixfoundation.wording import decimal


@dataclass(frozen=True, slots=True, eq=False)
class Estimate:
    """A number of a table with its interval.

    Attributes:
        value: The value; None if there was nothing to measure.
        n: Number of images, questions or pairs that it is over.
        draws: The value on every bootstrap draw, float64 [replicates].
        units: Number of pairs, groups and lone samples that it is over; None if not known. A
            single one has no interval: every draw holds the same.
    """

    value: float | None
    n: int
    draws: NDArray[np.float64]
    units: int | None = None

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % interval: percentiles 2.5 and 97.5 of the draws."""
        if self.value is None or self.units == 1:
            return None
        drawn = np.sort(self.draws[~np.isnan(self.draws)])
        return (_quantile(drawn, 0.025), _quantile(drawn, 0.975)) if drawn.size else None

    def to_json(self) -> dict[str, Any]:
        """Return value, n and interval as plain JSON data."""
        interval = self.interval
        return {
            "value": self.value,
            "n": self.n,
            "interval": None if interval is None else list(interval),
        }


def _quantile(ordered: NDArray[np.float64], share: float) -> float:
    """Return the quantile of ordered values, between two of them by linear interpolation.

    The value is that of `np.quantile`, bit by bit, which would import all of `numpy.ma`.
    """
    place = share * (len(ordered) - 1)
    before = int(place)
    low, high = ordered[before], ordered[min(before + 1, len(ordered) - 1)]
    part = place - before
    return float(high - (high - low) * (1 - part) if part >= 0.5 else low + (high - low) * part)


def least_units(estimates: Iterable[Estimate]) -> int | None:
    """Return the least number of units that an estimate is over; None if none is known."""
    return min((e.units for e in estimates if e.units is not None), default=None)


def percent(
    estimate: Estimate | None,
    *,
    interval: bool = True,
    bound_digits: int = 1,
    missing: str = "-",
) -> str:
    """Return an estimate in percent as text, with its interval if it has one.

    Args:
        estimate: The estimate; None if there is none.
        interval: Whether the interval is shown.
        bound_digits: Number of decimal places of the bounds.
        missing: Text for an estimate without a value.

    Example:
        >>> percent(Estimate(0.5, 4, np.array([0.0, 1.0])), bound_digits=0)
        '50.0 [2, 98]'
    """
    if estimate is None or estimate.value is None:
        return missing
    bounds = estimate.interval if interval else None
    ends = None if bounds is None else (100 * bounds[0], 100 * bounds[1])
    return decimal(100 * estimate.value, ends, bound_digits=bound_digits)


def unit_of(sample: Sample) -> tuple[str, str]:
    """Return what a sample is drawn with: its pair, its group, or nothing but itself."""
    if sample.pair is not None:
        return ("pair", sample.pair)
    return ("sample", sample.id) if sample.group is None else ("group", sample.group)


class Bootstrap:
    """Draws of the pairs of a run; a sample without a pair is drawn with its group, or alone.

    Attributes:
        unit: Number of the drawn unit that each sample belongs to, int [samples].
        units: Number of units: pairs, groups, and samples without either.
    """

    def __init__(self, samples: Sequence[Sample], replicates: int = 1000, seed: int = 2024) -> None:
        """Prepare the draws.

        Args:
            samples: The samples in the order in which values will come.
            replicates: Number of draws.
            seed: Seed of the draws; the same seed gives the same draws, also over another run of
                the same samples.
        """
        self._prepare([unit_of(sample) for sample in samples], replicates, seed)

    @classmethod
    def of_images(cls, images: int, replicates: int = 1000, seed: int = 2024) -> Bootstrap:
        """Return draws of that many images, each of which is a unit of its own."""
        bootstrap = cls([], replicates, seed)
        bootstrap._prepare(list(range(images)), replicates, seed)
        return bootstrap

    def _prepare(self, names: Sequence[Hashable], replicates: int, seed: int) -> None:
        order = {name: i for i, name in enumerate(dict.fromkeys(names))}
        self.unit = np.array([order[name] for name in names], dtype=np.intp)
        self.units = len(order)
        self._replicates = replicates
        self._seed = seed

    @cached_property
    def weights(self) -> NDArray[np.float64]:
        """How often each draw holds each unit, float64 [replicates, units]."""
        if not self.units:
            return np.zeros((self._replicates, 0))
        generator = np.random.default_rng(self._seed)
        shares = np.full(self.units, 1 / self.units)
        return generator.multinomial(self.units, shares, self._replicates).astype(np.float64)

    def over(self, places: Sequence[int]) -> Bootstrap:
        """Return the same draws for some of the samples, so that figures share their pairs.

        Args:
            places: Places of these samples among those of this bootstrap, in their order.
        """
        own = copy(self)
        own.unit = self.unit[np.asarray(places, dtype=np.intp)]
        return own

    def mean(self, values: ArrayLike) -> Estimate:
        """Return the mean of one value per sample; a sample with NaN does not count."""
        numbers = np.asarray(values, dtype=np.float64)
        counts = np.where(np.isnan(numbers), 0.0, 1.0)
        return self._of_samples(np.where(counts, numbers, 0.0), counts, int(counts.sum()))

    def ratio(self, numerators: ArrayLike, denominators: ArrayLike) -> Estimate:
        """Return the sum of the numerators over that of the denominators, one of each per sample.

        A sample with NaN in either does not count.
        """
        above = np.asarray(numerators, dtype=np.float64)
        below = np.asarray(denominators, dtype=np.float64)
        counted = ~(np.isnan(above) | np.isnan(below))
        above, below = np.where(counted, above, 0.0), np.where(counted, below, 0.0)
        return self._of_samples(above, below, int(counted.sum()))

    def pairs(self, values: NDArray[np.float64]) -> Estimate:
        """Return the mean of one value per unit, float64 [units]; one with NaN does not count."""
        counts = np.where(np.isnan(values), 0.0, 1.0)
        return self._of_units(np.where(counts, values, 0.0), counts, int(counts.sum()))

    def _of_samples(
        self, above: NDArray[np.float64], below: NDArray[np.float64], n: int
    ) -> Estimate:
        sums = [np.bincount(self.unit, values, self.units) for values in (above, below)]
        return self._of_units(sums[0].astype(np.float64), sums[1].astype(np.float64), n)

    def _of_units(self, above: NDArray[np.float64], below: NDArray[np.float64], n: int) -> Estimate:
        """Return the ratio of two sums over units, with its draws."""
        total = float(below.sum())
        value = float(above.sum()) / total if total else None
        with np.errstate(invalid="ignore", divide="ignore"):
            draws = (self.weights @ above) / (self.weights @ below)
        return Estimate(value, n, draws, int(np.count_nonzero(below)))
