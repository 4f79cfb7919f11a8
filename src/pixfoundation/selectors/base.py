"""The interface of selectors, and the registry in which they are found by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from pixfoundation.conventions import DEFAULT, SelectionConventions
from pixfoundation.registry import Registry
from pixfoundation.similarity import Similarity
from pixfoundation.types import Candidate, Sample, Selection


@dataclass(frozen=True, slots=True)
class Pick:
    """A judge's pick among the candidates of one answer.

    Attributes:
        index: Index of the candidate; None for 'the object is not there' or 'none of them'.
    """

    index: int | None


@dataclass(frozen=True, slots=True)
class AnswerCandidates:
    """The candidates of one answer, and what a selector may use to choose among them.

    Attributes:
        sample: The sample, with the ground truth that only the oracles look at.
        candidates: The candidates of the answer, in their order.
        random: The masks at random points, those of one point together.
        pick: The judge's pick; None if there is none.
        native: Whether the model outputs masks itself, so that no candidates mean 'no mask'.
    """

    sample: Sample
    candidates: tuple[Candidate, ...]
    random: tuple[Candidate, ...] = ()
    pick: Pick | None = None
    native: bool = False


@dataclass(frozen=True, slots=True)
class SelectorSettings:
    """What selectors depend on besides the answer.

    Attributes:
        conventions: The rules of selection.
        similarity: Similarity of phrases to expressions; None if no vectors are installed.
        threshold: Similarity from which a phrase counts as a name of the expression; None for the
            threshold of the vectors.
    """

    conventions: SelectionConventions = DEFAULT.selection
    similarity: Similarity | None = None
    threshold: float | None = None


class Selector(Protocol):
    """Selects one mask of an answer.

    Attributes:
        name: The name that it is registered under.
    """

    name: str

    def applies(self, answers: Sequence[AnswerCandidates]) -> bool:
        """Return whether a run with these answers has what the selector needs."""
        ...

    def select(self, answer: AnswerCandidates) -> Selection:
        """Return the selection; its mask is None if there was nothing to choose from."""
        ...


SelectorFactory = Callable[[SelectorSettings], Selector]
"""`factory(settings) -> Selector`."""

selectors: Registry[SelectorFactory] = Registry("selector", group="pixfoundation.selectors")
"""The registered selectors."""
