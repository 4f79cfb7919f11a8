"""All masks of an answer together."""

from __future__ import annotations

from collections.abc import Sequence

from pixfoundation.masks import union
from pixfoundation.selectors.base import Choice, Rules, selectors
from pixfoundation.types import Selection


@selectors.register("union", summary="all masks together")
class United:
    """The union of all candidates."""

    name = "union"

    def __init__(self, rules: Rules) -> None:
        """Needs nothing of the rules."""

    def applies(self, choices: Sequence[Choice]) -> bool:
        """Where there are candidates."""
        return any(choice.candidates for choice in choices)

    def select(self, choice: Choice) -> Selection:
        """Unites."""
        if not choice.candidates:
            return Selection(self.name, None)
        return Selection(self.name, union(c.mask for c in choice.candidates))
