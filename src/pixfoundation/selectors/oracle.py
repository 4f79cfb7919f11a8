"""The best mask by the ground truth: what a perfect selector would reach."""

from __future__ import annotations

from collections.abc import Sequence

from pixfoundation.selectors.base import Choice, Rules, best_by_truth, selectors
from pixfoundation.types import Selection


@selectors.register("oracle", summary="the best of all by the ground truth: an upper bound")
class Oracle:
    """The candidate with the highest IoU; the empty mask where there is nothing to find."""

    name = "oracle"

    def __init__(self, rules: Rules) -> None:
        """Take the rule for ties."""
        self._ties = rules.conventions.ties

    def applies(self, choices: Sequence[Choice]) -> bool:
        """Where answers offer more than the one mask that a model of its own gives."""
        return any(
            len(choice.candidates) > 1 or any(c.source != "native" for c in choice.candidates)
            for choice in choices
        )

    def select(self, choice: Choice) -> Selection:
        """Chooses by IoU."""
        return best_by_truth(self.name, choice.sample, choice.candidates, self._ties)
