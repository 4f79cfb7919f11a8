"""The phrase most like the expression: the paper's a+s selection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from pixfoundation.conventions import NegativeSimilarity, PhraseMask
from pixfoundation.errors import missing_package
from pixfoundation.selectors.base import (
    Choice,
    Rules,
    best_by_score,
    index_of_best,
    nothing,
    selectors,
)
from pixfoundation.similarity import THRESHOLD
from pixfoundation.types import Selection


@selectors.register("similarity", summary="the phrase most like the expression (a+s)")
class Similar:
    """The masks of the phrase most like the expression; of those, the segmenter's best.

    Of equal phrases the last counts. A best similarity below 0.7 says that the expression is not in
    the answer: an empty mask. The published code knows no scores and always takes the phrase's last
    mask; it selects nothing at all where every similarity is negative.
    """

    name = "similarity"

    def __init__(self, rules: Rules) -> None:
        """Take vectors and the published order from the rules."""
        self._conventions = rules.conventions
        self._similarity = rules.similarity

    def applies(self, choices: Sequence[Choice]) -> bool:
        """Where candidates come with phrases, and their similarity is known or can be computed."""
        with_phrase = [c for choice in choices for c in choice.candidates if c.phrase is not None]
        if self._similarity is None:
            return any(c.similarity is not None for c in with_phrase)
        return bool(with_phrase)

    def select(self, choice: Choice) -> Selection:
        """Chooses by similarity, then by score.

        Raises:
            PrerequisiteError: If similarities must be computed but no vectors are installed.
        """
        indices = [i for i, c in enumerate(choice.candidates) if c.phrase is not None]
        if not indices:
            return Selection(self.name, None)
        values = self._values(choice, indices)
        nothing_below_zero = self._conventions.negative_similarity is NegativeSimilarity.NOTHING
        if nothing_below_zero and values.max() < 0:
            return Selection(self.name, None, None, float(values.max()))
        best = index_of_best(values, self._conventions.ties)
        evidence = float(values[best])
        if evidence < THRESHOLD:
            return Selection(self.name, nothing(choice), None, evidence)
        if self._conventions.phrase_mask is PhraseMask.LAST:
            index = indices[best]
            return Selection(self.name, choice.candidates[index].mask, index, evidence)
        phrase = choice.candidates[indices[best]].phrase
        same = [i for i in indices if choice.candidates[i].phrase == phrase]
        return replace(best_by_score(self.name, choice.candidates, same), evidence=evidence)

    def _values(self, choice: Choice, indices: list[int]) -> np.ndarray:
        chosen = [choice.candidates[i] for i in indices]
        stored = [c.similarity for c in chosen]
        if None not in stored:
            return np.array(stored, dtype=np.float64)
        expression = choice.sample.expression
        if expression is None:
            return np.zeros(len(chosen))
        if self._similarity is None:
            raise missing_package("wordllama", "Phrase similarity", "nouns")
        return self._similarity.of([c.phrase.text for c in chosen if c.phrase], expression)
