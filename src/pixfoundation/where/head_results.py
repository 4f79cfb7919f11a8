"""Which heads look at the object: the result of the analysis, and its JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixfoundation.reading.localization_heads import Pair
from pixfoundation.scoring.intervals import Estimate
from pixfoundation.scoring.multiple_tests import holm
from pixfoundation.types import Protocol

Floats = NDArray[np.float64]


class Criterion(StrEnum):
    """What chooses heads on the first half of the pairs."""

    LABELS = "labels"
    LOCALIZATION = "localization"


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """A measure of every layer and head, with its null.

    Attributes:
        value: float64 [layers, heads]: mean over answers.
        null: float64 [layers, heads]: mean of what the images' shuffled truths give.
        p: float64 [layers, heads]: one-sided p of a value this high, corrected for all heads by the
            largest value of each shuffle.
    """

    value: Floats
    null: Floats
    p: Floats

    def to_json(self) -> dict[str, Any]:
        """Return the arrays as lists."""
        return {name: getattr(self, name).round(6).tolist() for name in ("value", "null", "p")}


@dataclass(frozen=True, slots=True, eq=False)
class HeadAnalysis:
    """Which heads look at the object.

    Attributes:
        run: Name of the run.
        protocol: Protocol of the answers.
        samples: Ids of the samples.
        hits: Point accuracy of each head's map minus its mean map.
        energy: Share of each head's attention to the image that lies in the truth.
        layer_hits: Point accuracy of the mean over each layer's heads, by layer.
        layer_energy: Energy of the same maps' positive part.
        average: Point accuracy and energy of the mean over all heads: attend-and-segment's map.
        best: The same for the one head that is best on the other half of the pairs.
        curve: Point accuracy of the mean over the k best heads of the other half, by k.
        enough: Least k whose point accuracy reaches that of the mean over all heads.
        chosen: The heads that were chosen, the best first.
        criterion: What chose them.
        chosen_on: Ids of the samples on which they were chosen.
        correctness: For right and wrong answers, by measure: both means, difference and p.
        place_by_layer: Point accuracy of all phrases by place in the text and layer, float64
            [places, layers]; NaN without phrases.
        place_null: The same for each shuffle of the images, float64 [shuffles, places, layers].
        place_counts: Number of phrases by place, int64 [places].
        draws: Number of shuffles.
    """

    run: str
    protocol: Protocol
    samples: tuple[str, ...]
    hits: Grid
    energy: Grid
    layer_hits: Grid
    layer_energy: Grid
    average: Mapping[str, Estimate]
    best: Mapping[str, Estimate]
    curve: Mapping[int, Estimate]
    enough: int | None
    chosen: tuple[Pair, ...]
    criterion: Criterion
    chosen_on: tuple[str, ...]
    correctness: Mapping[str, Mapping[str, float | int | None]]
    place_by_layer: Floats
    place_null: Floats
    place_counts: NDArray[np.int64]
    draws: int

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain JSON data."""
        return {
            "run": self.run,
            "protocol": self.protocol,
            "answers": len(self.samples),
            "draws": self.draws,
            "point_accuracy": self.hits.to_json(),
            "energy": self.energy.to_json(),
            "layer_point_accuracy": {k: v[0] for k, v in self.layer_hits.to_json().items()},
            "layer_energy": {k: v[0] for k, v in self.layer_energy.to_json().items()},
            "average_of_all": {k: v.to_json() for k, v in self.average.items()},
            "best_of_other_half": {k: v.to_json() for k, v in self.best.items()},
            "curve": {str(k): v.to_json() for k, v in self.curve.items()},
            "heads_to_reach_average": self.enough,
            "choice": self.choice_json(),
            "correctness": {k: dict(v) for k, v in self.correctness.items()},
            "place_by_layer": place_json(self.place_by_layer, self.place_null, self.place_counts),
        }

    def choice_json(self) -> dict[str, Any]:
        """Return the choice of heads, as the reading `localization-heads` takes it."""
        return {
            "criterion": self.criterion.value,
            "heads": [list(pair) for pair in self.chosen],
            "samples": list(self.chosen_on),
        }


def place_json(value: Floats, null: Floats, counts: NDArray[np.int64]) -> dict[str, Any]:
    """Return the picture of place and layer as lists; NaN becomes None.

    The best layer of a place is compared with the best layer of each shuffle, since the best of
    several is high by chance alone; its p is adjusted by Holm's method for all places.

    Args:
        value: Point accuracy, float64 [places, layers]; NaN without phrases.
        null: The same for each shuffle of the images, float64 [shuffles, places, layers].
        counts: Number of phrases by place, int64 [places].
    """
    known = counts > 0
    best, drawn = value[known].max(axis=-1), null[:, known].max(axis=-1)  # (places), (shuffles, ..)
    beaten = (1 + (drawn >= best - 1e-9).sum(axis=0)) / (len(null) + 1)
    columns = {"best_layer_null": drawn.mean(axis=0), "best_layer_p": np.array(holm(list(beaten)))}
    spread = {name: np.full(len(counts), np.nan) for name in columns}
    for name, own in columns.items():
        spread[name][known] = own
    return {
        "point_accuracy": [_plain(row) for row in value],
        "null": [_plain(row) for row in null.mean(axis=0)],
        "phrases": counts.tolist(),
        **{name: _plain(row) for name, row in spread.items()},
    }


def _plain(row: Floats) -> list[float | None]:
    return [None if np.isnan(v) else round(float(v), 6) for v in row]
