"""Tests of paired differences: a sign test by pair, equivalence within a margin, effect sizes.

All of them take one value per sample and treat the samples of a pair as one unit, since its two
images share one question.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray

from pixfoundation.scoring.intervals import Estimate

Values = NDArray[np.float64]
EXACT_UNITS = 12
"""Up to this number of pairs all sign changes are enumerated."""
FLIPS = 9999
"""Number of random sign changes for more pairs."""
TOLERANCE = 1e-12
"""Sums closer than this, relative to their size, are equal."""


def sign_flip_p(
    values: Sequence[float] | Values, unit: NDArray[np.intp], seed: int = 2024
) -> float:
    """Test whether the mean of paired differences is zero.

    If a difference had no direction, its sign would be arbitrary: the signs of all values of a pair
    are changed together, and p is the share of sign changes whose mean is at least as far from
    zero as the observed one. Exact up to `EXACT_UNITS` pairs, else by `FLIPS` random changes.

    Args:
        values: One difference per sample; NaN does not count.
        unit: Number of the pair of each sample, int [samples].
        seed: Seed of the random changes.

    Returns:
        Two-sided p; 1 if there is no value.
    """
    sums = unit_sums(np.asarray(values, np.float64), unit)
    if not len(sums):
        return 1.0
    observed = abs(sums.sum())
    slack = TOLERANCE * float(np.abs(sums).sum())
    if len(sums) <= EXACT_UNITS:
        signs = np.array(list(product((1.0, -1.0), repeat=len(sums))))
        return float((np.abs(signs @ sums) >= observed - slack).mean())
    rng = np.random.default_rng(seed)
    signs = rng.integers(0, 2, (FLIPS, len(sums))) * 2.0 - 1.0
    extreme = int((np.abs(signs @ sums) >= observed - slack).sum())
    return (extreme + 1) / (FLIPS + 1)


def unit_sums(values: Values, unit: NDArray[np.intp]) -> Values:
    """Return the sum of the values of each pair that has any, float64 [pairs]."""
    counted = ~np.isnan(values)
    sums = np.bincount(unit[counted], values[counted], minlength=int(unit.max(initial=-1)) + 1)
    numbers = np.bincount(unit[counted], minlength=len(sums))
    return sums[numbers > 0].astype(np.float64)


def equivalence_p(effect: Estimate, margin: float) -> float:
    """Test whether a mean lies within a margin around zero, by two one-sided tests.

    Args:
        effect: The mean with its bootstrap draws.
        margin: The smallest difference that would matter, above 0.

    Returns:
        The greater of the two one-sided p; small if the mean is within the margin. 1 if there is
        nothing to measure. Never below what n pairs can show by their signs, 2 ** -n: draws of a
        few pairs are too narrow.
    """
    draws = effect.draws[~np.isnan(effect.draws)]
    if effect.value is None or not len(draws):
        return 1.0
    above = int((draws >= margin).sum()) + 1
    below = int((draws <= -margin).sum()) + 1
    least = 0.0 if effect.units is None else 0.5**effect.units
    return max(above / (len(draws) + 1), below / (len(draws) + 1), least)


def standardised(values: Sequence[float] | Values, unit: NDArray[np.intp]) -> float | None:
    """Return the mean difference of the pairs over its standard deviation (Cohen's d of pairs).

    None if fewer than two pairs have a value, or all of them have the same.
    """
    numbers = np.asarray(values, np.float64)
    counted = ~np.isnan(numbers)
    if not counted.any():
        return None
    sums = np.bincount(unit[counted], numbers[counted])
    counts = np.bincount(unit[counted])
    means = sums[counts > 0] / counts[counts > 0]
    if len(means) < 2 or np.ptp(means) == 0:
        return None
    return float(means.mean() / means.std(ddof=1))
