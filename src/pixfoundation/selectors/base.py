"""What a selector is, what it sees, and where selectors are found by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from pixfoundation.conventions import DEFAULT, SelectionConventions, Ties
from pixfoundation.masks import Mask, ious
from pixfoundation.registry import Registry
from pixfoundation.similarity import Similarity
from pixfoundation.types import Candidate, Sample, Selection


@dataclass(frozen=True, slots=True)
class Pick:
    """What a judge picked.

    Attributes:
        index: Of the candidate; None for 'the object is not there' or 'none of them'.
    """

    index: int | None


@dataclass(frozen=True, slots=True)
class Choice:
    """One answer's masks, and what is known to choose among them.

    Attributes:
        sample: With the ground truth, which only the oracles look at.
        candidates: The masks of the answer, in their order.
        random: The masks at random points, the masks of one point together.
        pick: The judge's; None if it gave none.
        native: Whether the model gives masks of its own: then no candidates mean 'no mask'.
    """

    sample: Sample
    candidates: tuple[Candidate, ...]
    random: tuple[Candidate, ...] = ()
    pick: Pick | None = None
    native: bool = False


@dataclass(frozen=True, slots=True)
class Rules:
    """What selectors depend on beside the choice.

    Attributes:
        conventions: Rules of the selectors.
        similarity: Similarity of phrases to expressions; None if no vectors are installed.
    """

    conventions: SelectionConventions = DEFAULT.selection
    similarity: Similarity | None = None


class Selector(Protocol):
    """Chooses one mask of an answer.

    Attributes:
        name: What it is registered as.
    """

    name: str

    def applies(self, choices: Sequence[Choice]) -> bool:
        """Whether a run with these choices has what the selector needs."""
        ...

    def select(self, choice: Choice) -> Selection:
        """Chooses; the selection's mask is None if there was nothing to choose from."""
        ...


SelectorFactory = Callable[[Rules], Selector]

selectors: Registry[SelectorFactory] = Registry("selector", group="pixfoundation.selectors")


ALIASES = {"judge": "auto"}
"""Further names of selectors: the published tables call a judge's picks automatic."""


def best_by_truth(
    name: str, sample: Sample, candidates: Sequence[Candidate], ties: Ties
) -> Selection:
    """Select by IoU with the ground truth.

    Where there is nothing to find, the oracle knows it and selects the empty mask.
    """
    if sample.mask.is_empty:
        return Selection(name, sample.mask, None, 1.0)
    if not candidates:
        return Selection(name, None)
    values = ious([candidate.mask for candidate in candidates], sample.mask)
    best = index_of_best(values, ties)
    return Selection(name, candidates[best].mask, best, float(values[best]))


def best_by_score(
    name: str, candidates: Sequence[Candidate], among: Sequence[int] | None = None
) -> Selection:
    """Select by the segmenter's score, of equals the first; without scores the last mask.

    Args:
        name: Of the selector.
        candidates: What to select from.
        among: Indices of those that count; None for all.
    """
    indices = range(len(candidates)) if among is None else among
    if not indices:
        return Selection(name, None)
    scores = [candidates[i].score for i in indices]
    if any(score is None for score in scores):
        return Selection(name, candidates[indices[-1]].mask, indices[-1])
    best = int(np.argmax(np.array(scores, dtype=float)))
    return Selection(name, candidates[indices[best]].mask, indices[best], scores[best])


def index_of_best(values: np.ndarray, ties: Ties) -> int:
    """Return the index of the greatest value."""
    if ties is Ties.FIRST:
        return int(np.argmax(values))
    return len(values) - 1 - int(np.argmax(values[::-1]))


def nothing(choice: Choice) -> Mask:
    """The mask that says 'not there'."""
    return Mask.empty(choice.sample.size)
