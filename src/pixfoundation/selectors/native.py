"""The masks that a model gives itself."""

from __future__ import annotations

from collections.abc import Sequence

from pixfoundation.conventions import NativeMasks
from pixfoundation.masks import union
from pixfoundation.selectors.base import Choice, Rules, nothing, selectors
from pixfoundation.types import Selection


@selectors.register("native", summary="the model's own masks, united (or the first of them)")
class Native:
    """The model's own masks, united as LISA's wrapper does, or the first as GLaMM's does.

    A model that could have given a mask but gave none says 'not there': an empty mask.
    """

    name = "native"

    def __init__(self, rules: Rules) -> None:
        """Take from the rules which masks count."""
        self._first = rules.conventions.native_masks is NativeMasks.FIRST

    def applies(self, choices: Sequence[Choice]) -> bool:
        """Where the model gives masks of its own."""
        return any(choice.native for choice in choices)

    def select(self, choice: Choice) -> Selection:
        """Unites, or takes the first."""
        own = [i for i, c in enumerate(choice.candidates) if c.source == "native"]
        if not own:
            return Selection(self.name, nothing(choice) if choice.native else None)
        if self._first or len(own) == 1:
            return Selection(self.name, choice.candidates[own[0]].mask, own[0])
        return Selection(self.name, union(choice.candidates[i].mask for i in own))
