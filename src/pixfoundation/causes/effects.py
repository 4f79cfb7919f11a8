"""Effects: paired differences with interval, size and corrected p."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixfoundation.causes.statistics import sign_flip_p, standardised
from pixfoundation.scoring.intervals import Bootstrap, Estimate
from pixfoundation.scoring.multiple_tests import holm


@dataclass(frozen=True, slots=True, eq=False)
class Effect:
    """The mean of a paired difference.

    Attributes:
        estimate: The mean with its 95 % interval over pairs.
        d: The mean difference of the pairs over its standard deviation; None if there is none.
        p: Two-sided p of the sign test by pair.
        p_holm: p, adjusted by Holm's method for all effects of its family.
        family: Number of effects in the family.
    """

    estimate: Estimate
    d: float | None
    p: float
    p_holm: float
    family: int

    def to_json(self) -> dict[str, Any]:
        """Return the effect as plain JSON data."""
        return {
            **self.estimate.to_json(),
            "d": self.d,
            "p": self.p,
            "p_holm": self.p_holm,
            "family": self.family,
        }


def measure_effects(
    differences: Mapping[str, NDArray[np.float64]], bootstrap: Bootstrap, seed: int = 2024
) -> dict[str, Effect]:
    """Return the effects of one family, adjusted for each other by Holm's method.

    Args:
        differences: By name, one difference per sample of `bootstrap`; NaN does not count.
        bootstrap: Draws of the pairs.
        seed: Seed of the sign tests.
    """
    p = [sign_flip_p(values, bootstrap.unit, seed) for values in differences.values()]
    return {
        name: Effect(
            bootstrap.mean(values), standardised(values, bootstrap.unit), own, adjusted, len(p)
        )
        for (name, values), own, adjusted in zip(differences.items(), p, holm(p), strict=True)
    }
