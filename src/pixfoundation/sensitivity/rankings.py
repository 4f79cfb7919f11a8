"""How stable the order of two models is: over how many variants of one kind is the first better."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pixfoundation.scoring.intervals import Estimate
from pixfoundation.sensitivity.analysis import KindSummary, Sensitivity
from pixfoundation.sensitivity.statistics import rank_draws, rank_stability


@dataclass(frozen=True, slots=True, eq=False)
class Ranking:
    """How often one model is better than another over the variants of a kind.

    Attributes:
        first: Name of the first run.
        second: Name of the second run.
        kind: Name of the kind.
        measure: Name of the measure.
        default: Mean of the first minus mean of the second under the default prompt.
        stability: Share of variants under which the first is better; a tie counts half. Its draws
            resample pairs and variants; there are none if the runs are of other samples.
        n_variants: Number of variants that both runs have.
    """

    first: str
    second: str
    kind: str
    measure: str
    default: float
    stability: Estimate
    n_variants: int

    def to_json(self) -> dict[str, Any]:
        """Return the ranking as plain JSON data."""
        data = {name: getattr(self, name) for name in self.__slots__}
        estimate = self.stability.to_json()
        return {**data, "stability": estimate["value"], "interval": estimate["interval"]}


def rankings(runs: Sequence[Sensitivity]) -> list[Ranking]:
    """Compare every two runs, kind by kind and measure by measure, on the variants they share."""
    result: list[Ranking] = []
    for i, first in enumerate(runs):
        for second in runs[i + 1 :]:
            for own in first.summaries:
                for other in second.summaries:
                    if (own.kind, own.measure) == (other.kind, other.measure):
                        result += _ranking(first, second, own, other)
    return result


def _ranking(
    first: Sensitivity, second: Sensitivity, own: KindSummary, other: KindSummary
) -> list[Ranking]:
    shared = [variant for variant in own.variants if variant in other.variants]
    if not shared or own.spread.default.value is None or other.spread.default.value is None:
        return []
    own_places = [own.variants.index(variant) for variant in shared]
    other_places = [other.variants.index(variant) for variant in shared]
    ours, theirs = own.spread.means[own_places], other.spread.means[other_places]
    same_items = [s.id for s in first.default.samples] == [s.id for s in second.default.samples]
    drawn = (own.spread.drawn[:, own_places], other.spread.drawn[:, other_places])
    draws = rank_draws(*drawn) if same_items and drawn[0].shape == drawn[1].shape else np.zeros(0)
    return [
        Ranking(
            first.name,
            second.name,
            own.kind,
            own.measure.name,
            own.spread.default.value - other.spread.default.value,
            Estimate(rank_stability(ours, theirs), len(shared), draws),
            len(shared),
        )
    ]
