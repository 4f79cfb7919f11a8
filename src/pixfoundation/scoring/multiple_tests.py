"""The p of several tests that are looked at together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def holm(values: Sequence[float]) -> list[float]:
    """Adjust the p of several tests, so that under the null any is below 0.05 in 5 % of cases only.

    Holm, Scandinavian Journal of Statistics 6 (1979).
    """
    order: list[int] = np.argsort(values, kind="stable").tolist()
    adjusted = np.zeros(len(values))
    highest = 0.0
    for rank, index in enumerate(order):
        highest = max(highest, (len(values) - rank) * values[index])
        adjusted[index] = min(highest, 1.0)
    return adjusted.tolist()
