"""The threshold of phrase vectors: from which similarity on does a phrase name the expression?

The published threshold, 0.7, was made for the vectors of `en_core_web_lg`. Other vectors put the
same phrases at other distances. This recipe finds their threshold on names of drawn things, of
PixScenes' calibration split, whose seed is neither that of the test set nor of a training:

* a name is right if it is one of the thing that the expression names ('the purple sign' for 'the
  sign', 'the cup's left handle' for 'the handle of the cup');
* a name is wrong if it is one of another thing of the same picture.

The threshold is the one with the greatest balanced accuracy: the mean of the share of right names
at or above it and of the share of wrong names below it. Of equal thresholds it is the middle one.
No model takes part, so no model's habits do.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pixfoundation.datasets.pixscenes.dataset import make_pair
from pixfoundation.datasets.pixscenes.language import part_adjective, with_article
from pixfoundation.datasets.pixscenes.pairs import Side
from pixfoundation.datasets.pixscenes.scenes import Thing
from pixfoundation.similarity import PhraseVectors, Similarity

PAIRS = 150
"""Number of drawn pairs, as in the test set."""
STEPS = np.round(np.arange(0.0, 1.0, 0.01), 2)
"""The thresholds that are compared."""


@dataclass(frozen=True)
class Calibration:
    """How well each threshold tells right names from wrong ones.

    Attributes:
        vectors: Name of the vectors.
        threshold: The best threshold.
        right: Similarities of right names, float64 [n].
        wrong: Similarities of wrong names, float64 [m].
    """

    vectors: str
    threshold: float
    right: NDArray[np.float64]
    wrong: NDArray[np.float64]

    def balanced_accuracy(self, threshold: float) -> float:
        """Return the mean share of right names at or above, and of wrong names below, 0..1."""
        return float(((self.right >= threshold).mean() + (self.wrong < threshold).mean()) / 2)


def calibrate(vectors: str | PhraseVectors | None = None, pairs: int = PAIRS) -> Calibration:
    """Find the threshold of phrase vectors.

    Args:
        vectors: The vectors or their name; None for the first that are installed.
        pairs: Number of drawn pairs.
    """
    similarity = Similarity(vectors)
    right: list[float] = []
    wrong: list[float] = []
    for expression, own, others in examples(pairs):
        right += similarity.of(own, expression).tolist()
        wrong += similarity.of(others, expression).tolist()
    unrated = Calibration(similarity.name, 0.0, np.array(right), np.array(wrong))
    rates = np.array([unrated.balanced_accuracy(step) for step in STEPS])
    best = np.flatnonzero(rates == rates.max())
    return Calibration(
        similarity.name, float(STEPS[best[len(best) // 2]]), unrated.right, unrated.wrong
    )


def examples(pairs: int) -> Iterator[tuple[str, list[str], list[str]]]:
    """Return expressions of the calibration split, with right and with wrong names.

    Args:
        pairs: Number of drawn pairs.
    """
    for index in range(pairs):
        for side in make_pair("calibration", index).sides:
            if side.target is not None and side.expression is not None:
                own, others = _names_of_target(side), _names_of_others(side)
                yield side.expression, own, [name for name in others if name not in own]


def _names_of_target(side: Side) -> list[str]:
    assert side.target is not None
    thing, part = side.scene.things[side.target.thing], side.target.part
    if part is None:
        return _names(thing)
    adjective = part_adjective(thing, part)
    return [
        f"the {part}",
        f"the {thing.kind}'s {part}",
        f"the {thing.colour} {thing.kind}'s {adjective} {part}",
    ]


def _names_of_others(side: Side) -> list[str]:
    assert side.target is not None
    target = side.scene.things[side.target.thing]
    return [
        name
        for thing in side.scene.things
        if thing is not target
        for name in _names(thing)
        if name != f"the {target.kind}"  # true of the target, too
    ]


def _names(thing: Thing) -> list[str]:
    coloured = f"{thing.colour} {thing.kind}"
    return [f"the {thing.kind}", f"the {coloured}", with_article(f"{thing.size} {coloured}")]
