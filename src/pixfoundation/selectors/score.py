"""The mask of which the segmenter is surest."""

from __future__ import annotations

from collections.abc import Sequence

from pixfoundation.selectors.base import Choice, Rules, best_by_score, selectors
from pixfoundation.types import Selection


@selectors.register("score", summary="the segmenter's own best score")
class BestScored:
    """The candidate with the segmenter's (or model's) highest score."""

    name = "score"

    def __init__(self, rules: Rules) -> None:
        """Needs nothing of the rules."""

    def applies(self, choices: Sequence[Choice]) -> bool:
        """Where every candidate has a score."""
        scores = [c.score for choice in choices for c in choice.candidates]
        return bool(scores) and None not in scores

    def select(self, choice: Choice) -> Selection:
        """Chooses by score."""
        return best_by_score(self.name, choice.candidates)
