"""One uniformly random point: what blind luck reaches."""

from __future__ import annotations

from collections.abc import Sequence

from pixfoundation.runs.run_records import by_prompt
from pixfoundation.selectors.base import Choice, Rules, best_by_score, selectors
from pixfoundation.types import Selection


@selectors.register("random", summary="one uniformly random point: a baseline")
class RandomPoint:
    """The best-scored mask at the first random point."""

    name = "random"

    def __init__(self, rules: Rules) -> None:
        """Needs nothing of the rules."""

    def applies(self, choices: Sequence[Choice]) -> bool:
        """Where random points were segmented."""
        return any(choice.random for choice in choices)

    def select(self, choice: Choice) -> Selection:
        """Chooses by the segmenter's score."""
        prompts = by_prompt(choice.random)
        return best_by_score(self.name, prompts[0] if prompts else ())
