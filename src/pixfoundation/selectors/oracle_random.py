"""The oracle's chance level: the best of as many random masks as the answer offers."""

from __future__ import annotations

from collections.abc import Sequence

from pixfoundation.runs.run_records import by_prompt
from pixfoundation.selectors.base import Choice, Rules, best_by_truth, selectors
from pixfoundation.types import Selection


@selectors.register(
    "oracle_random", summary="the best of as many random masks: the oracle's chance"
)
class OracleOfRandom:
    """The oracle over the masks of as many random points as the answer gave prompts.

    An oracle over many masks finds a good one by luck; what the answer's own points are worth is
    the distance to this.
    """

    name = "oracle_random"

    def __init__(self, rules: Rules) -> None:
        """Take the rule for ties."""
        self._ties = rules.conventions.ties

    def applies(self, choices: Sequence[Choice]) -> bool:
        """Where random points were segmented."""
        return any(choice.random for choice in choices)

    def select(self, choice: Choice) -> Selection:
        """Chooses by IoU."""
        prompts = by_prompt(choice.random)[: len(by_prompt(choice.candidates))]
        end = sum(map(len, prompts))
        return best_by_truth(self.name, choice.sample, choice.random[:end], self._ties)
