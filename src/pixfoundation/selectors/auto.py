"""The mask that a judge picked: the paper's automatic selection."""

from __future__ import annotations

from collections.abc import Sequence

from pixfoundation.selectors.base import Choice, Rules, nothing, selectors
from pixfoundation.types import Selection


@selectors.register("auto", summary="what a judge picked")
class Auto:
    """The judge's pick; the empty mask where it says that the object is not there.

    Where the judge gave no valid answer nothing is chosen, rather than some mask by default.
    """

    name = "auto"

    def __init__(self, rules: Rules) -> None:
        """Needs nothing of the rules."""

    def applies(self, choices: Sequence[Choice]) -> bool:
        """Where a judge picked."""
        return any(choice.pick is not None for choice in choices)

    def select(self, choice: Choice) -> Selection:
        """Take the pick."""
        if choice.pick is None:
            return Selection(self.name, None)
        index = choice.pick.index
        if index is None:
            return Selection(self.name, nothing(choice))
        if not 0 <= index < len(choice.candidates):
            return Selection(self.name, None)
        return Selection(self.name, choice.candidates[index].mask, index)
