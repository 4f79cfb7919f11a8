"""The interface of grounders, and their registry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

from PIL import Image

from pixfoundation.errors import DataError
from pixfoundation.forward import Need
from pixfoundation.models.base import Capability, GivesForwards, Model
from pixfoundation.registry import Registry
from pixfoundation.types import Answer, Candidate


class Grounder(Protocol):
    """Turns an answer into candidates.

    Attributes:
        name: The name it was loaded by.
        uses: Capabilities of the model that it needs, in addition to the text of the answer.
    """

    name: str
    uses: frozenset[Capability]

    def ground(self, image: Image.Image, answer: Answer) -> list[Candidate]:
        """Return the candidates of an answer.

        Args:
            image: The RGB image that the answer is about.
            answer: The answer, with everything that `uses` names.

        Returns:
            Candidates in the order of the answer's phrases, those of one segmenter prompt together;
            an empty list if the answer offers none.
        """
        ...

    def fingerprint(self) -> dict[str, Any]:
        """Return the settings as JSON data, for `run.json`."""
        ...


@runtime_checkable
class ReadsForwards(Protocol):
    """A grounder that may need the pass over prompt and answer."""

    @property
    def forward_needs(self) -> frozenset[Need]:
        """What it asks of that pass; nothing if it needs none."""
        ...


GrounderFactory = Callable[..., Grounder]
"""`factory(segmenter, *, conventions=DEFAULT.grounding, **options) -> Grounder`."""


def asks_forward(grounder: Grounder | None) -> bool:
    """Return whether a grounder needs answers with their `forward`."""
    return isinstance(grounder, ReadsForwards) and bool(grounder.forward_needs)


def check_forwards(model: Model, reading: str, needs: frozenset[Need]) -> GivesForwards:
    """Return a model as one that gives what a reading needs.

    Args:
        model: The model.
        reading: Name of the reading, for messages.
        needs: What it asks of the pass over prompt and answer.

    Raises:
        DataError: If the model does not give it; the message says why.
    """
    reason = "it offers no pass over prompt and answer"
    if isinstance(model, GivesForwards):
        reason = model.lacks(needs)
        if reason is None:
            return model
    requested = ", ".join(sorted(needs))
    raise DataError(
        f"The reading {reading or 'attention'!r} with these options needs a pass over prompt "
        f"and answer ({requested}), which the model {model.name!r} does not give: {reason}."
    )


grounders: Registry[GrounderFactory] = Registry("grounder", group="pixfoundation.grounders")
