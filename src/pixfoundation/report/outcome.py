"""Why no mask was selected for the expression in one image."""

from __future__ import annotations

from pixfoundation.api import GroundingResult
from pixfoundation.similarity import THRESHOLD


def why_nothing(result: GroundingResult) -> str | None:
    """Return why no mask was picked, in one sentence; None if one was."""
    picking, selection = result.picking, result.selection
    if not result.found.candidates:
        return "The answer offers no mask: there is nothing to pick from."
    if picking is not None and picking.presence.value is False:
        return "The judge says that the object is not in the image."
    if picking is not None and not picking.pick.valid:
        return f"No verdict: the judge answered {picking.pick.reply!r} when asked for a number."
    if picking is not None and picking.pick.value is None:
        return "The judge says that none of the masks shows the object."
    if selection.mask is None:
        return f"Nothing was picked by {selection.selector}."
    if selection.selector == "similarity" and selection.candidate is None:
        return (
            f"Nothing was picked: no phrase of the answer is like the expression (the best "
            f"similarity is {selection.evidence:.2f}, and {THRESHOLD} is asked)."
        )
    return None
