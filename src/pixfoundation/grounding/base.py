"""What a grounder is to the rest of the package, and which one fits which model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from PIL import Image

from pixfoundation.models.base import Capability
from pixfoundation.registry import Registry
from pixfoundation.types import Answer, Candidate


class Grounder(Protocol):
    """Turns what a model said and showed into mask candidates.

    Attributes:
        name: What it was loaded as.
        uses: What it reads from an answer beside the text.
    """

    name: str
    uses: frozenset[Capability]

    def ground(self, image: Image.Image, answer: Answer) -> list[Candidate]:
        """Return the candidates of an answer, the segmenter's masks of one prompt together.

        Args:
            image: The RGB image that the answer is about.
            answer: The answer, with what `uses` names.

        Returns:
            The candidates in the order of the answer's phrases; none if it offers nothing.
        """
        ...

    def fingerprint(self) -> dict[str, Any]:
        """Return the settings, as JSON data for the run's record."""
        ...


GrounderFactory = Callable[..., Grounder]
"""`factory(segmenter, *, conventions=DEFAULT.grounding, **options) -> Grounder`."""

grounders: Registry[GrounderFactory] = Registry("grounder", group="pixfoundation.grounders")
