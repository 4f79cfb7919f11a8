"""Permutation tests: do the best phrases stand elsewhere than chance would put them?

The null hypothesis is that the masks of an answer have nothing to do with its phrases: shuffled
among the phrases of the answer, they would be as good. The picks under it are those of the null
`shuffled` of `nulls.draw_nulls`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

TOLERANCE = 1e-9
"""Statistics closer than this are equal; the order of summation makes no difference."""


def two_sided_p(observed: float, drawn: NDArray[np.float64]) -> float:
    """Return the share of draws at least as far from the mean of the draws as the observed value.

    Args:
        observed: The observed statistic.
        drawn: The statistic under the null hypothesis, float64 [draws].

    Returns:
        p, at least 1 / (draws + 1), since the observed value counts as a draw.
    """
    if not len(drawn):
        return 1.0
    expected = float(np.mean(drawn))
    extreme = int((np.abs(drawn - expected) >= abs(observed - expected) - TOLERANCE).sum())
    return (extreme + 1) / (len(drawn) + 1)


def shape_p(observed: NDArray[np.int64], drawn: NDArray[np.int64]) -> float:
    """Test a whole histogram, which also finds a peak in the middle that no mean shows.

    Args:
        observed: Observed counts, int64 [bins].
        drawn: Counts under the null hypothesis, int64 [draws, bins].

    Returns:
        p of the chi-squared distance to the mean counts of the null, at least 1 / (draws + 1).
    """
    if not len(drawn):
        return 1.0
    counts = np.concatenate([observed[None], drawn])
    expected = counts.mean(axis=0)  # the observed one is a draw, so no bin divides by zero
    used = expected > 0
    distances = ((counts[:, used] - expected[used]) ** 2 / expected[used]).sum(axis=1)
    extreme = int((distances[1:] >= distances[0] - TOLERANCE).sum())
    return (extreme + 1) / (len(drawn) + 1)
