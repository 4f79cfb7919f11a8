"""Whether the best phrases stand elsewhere than chance puts them: permutation tests.

The null is that an answer's masks have nothing to do with its phrases: dealt out anew among the
phrases that the answer offers, they would be as good. The picks under it are those of
`nulls.draw_nulls`, `shuffled`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

TOLERANCE = 1e-9
"""Equal statistics count as equal whatever the order of summation."""


def two_sided_p(observed: float, drawn: NDArray[np.float64]) -> float:
    """Return the share of draws that lie as far from the draws' mean as what was observed.

    Args:
        observed: The statistic.
        drawn: The same under the null, float64 [draws].

    Returns:
        p, at least 1 / (draws + 1): what was observed counts as a draw.
    """
    if not len(drawn):
        return 1.0
    expected = float(np.mean(drawn))
    extreme = int((np.abs(drawn - expected) >= abs(observed - expected) - TOLERANCE).sum())
    return (extreme + 1) / (len(drawn) + 1)


def shape_p(observed: NDArray[np.int64], drawn: NDArray[np.int64]) -> float:
    """Test a whole histogram: finds what lies in the middle too, which no mean shows.

    Args:
        observed: Counts, int64 [bins].
        drawn: The same under the null, int64 [draws, bins].

    Returns:
        p of the chi-squared distance to the null's mean counts, at least 1 / (draws + 1).
    """
    if not len(drawn):
        return 1.0
    every = np.concatenate([observed[None], drawn])
    expected = every.mean(axis=0)  # what was observed counts as a draw, so no bin divides by zero
    used = expected > 0
    distances = ((every[:, used] - expected[used]) ** 2 / expected[used]).sum(axis=1)
    extreme = int((distances[1:] >= distances[0] - TOLERANCE).sum())
    return (extreme + 1) / (len(drawn) + 1)


def holm(values: Sequence[float]) -> list[float]:
    """Adjust the p of several tests so that any below 0.05 is chance in 5 % of the runs only.

    Holm, Scandinavian Journal of Statistics 6 (1979).
    """
    order = np.argsort(values, kind="stable")
    adjusted = np.zeros(len(values))
    highest = 0.0
    for rank, index in enumerate(order):
        highest = max(highest, (len(values) - rank) * values[index])
        adjusted[index] = min(highest, 1.0)
    return adjusted.tolist()
