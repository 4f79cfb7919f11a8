"""`contrast`: the heads that look elsewhere for a phrase than for a contrast prompt.

After the idea of 'Few Contrastive Heads' (TMLR 2026), of which no code is public and whose abstract
does not determine the method: this is a formulation of our own. For every head, the map of the
phrase and that of the contrast prompt's last token, each divided by its sum, are compared; the
score of a head is the share of attention that moves, times the attention mass under the phrase. The
maps of the `top` heads, positive differences only, are averaged with their scores as weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pixfoundation.errors import DataError
from pixfoundation.forward import Forward, Need
from pixfoundation.reading.base import GENERAL_PROMPT, Maps, on_grid, readings
from pixfoundation.reading.head_maps import HeadMaps
from pixfoundation.typed_options import Count

TINY = 1e-12


@readings.register(
    "contrast",
    summary="the heads whose attention moves most against a contrast prompt",
    needs="attention rows of one pass, and of one more over the contrast prompt",
    source="our own, after the idea of TMLR 2026, openreview CnrAiXbw8a",
)
def load(*, contrast: str = GENERAL_PROMPT, top: Count = 10) -> ContrastReading:
    """Make the reading.

    Args:
        contrast: The contrast prompt.
        top: Number of heads per phrase; all heads if the model has fewer.
    """
    if not contrast.strip():
        raise DataError("The contrast prompt of the reading 'contrast' is empty.")
    return ContrastReading(contrast, top)


@dataclass(frozen=True, slots=True)
class ContrastReading:
    """The reading `contrast`; see `load`."""

    contrast: str = GENERAL_PROMPT
    top: int = 10

    name = "contrast"
    needs = frozenset({Need.ROWS, Need.SECOND_PROMPT})

    def observe(self, forward: Forward, phrases: Sequence[Sequence[int]]) -> ContrastObserver:
        """Return an observer of one pass; see `base.Reading`."""
        return ContrastObserver(forward, phrases, self)

    def settings(self) -> dict[str, Any]:
        """Return the options, as JSON data."""
        return asdict(self)


class ContrastObserver(HeadMaps):
    """Keeps the mean rows of the phrases of all heads."""

    def __init__(
        self, forward: Forward, phrases: Sequence[Sequence[int]], reading: ContrastReading
    ) -> None:
        super().__init__(forward, phrases)
        self._forward, self._reading = forward, reading

    def maps(self) -> Maps:
        """Run the pass over the contrast prompt and return the weighted differences."""
        import torch

        other = self._forward.about(self._reading.contrast)
        if other.frame != self._forward.frame:
            raise DataError("The contrast prompt shows the image on another grid.")
        contrast = HeadMaps(other, [[0]])
        other.run([contrast])
        target = self.all().flatten(0, 1)  # (L * H, phrases, n)
        mass = target.sum(dim=-1, keepdim=True)
        below = contrast.all().flatten(0, 1)
        below = below / below.sum(dim=-1, keepdim=True).clamp(min=TINY)
        moved = (target / mass.clamp(min=TINY) - below).clamp(min=0)  # (L * H, phrases, n)
        scores = moved.sum(dim=-1) * mass[..., 0]  # (L * H, phrases)
        best = scores.topk(min(self._reading.top, len(scores)), dim=0)
        maps = torch.stack(
            [
                (weights[:, None] * moved[heads, place]).sum(dim=0) / weights.sum().clamp(min=TINY)
                for place, (heads, weights) in enumerate(
                    zip(best.indices.T, best.values.T, strict=True)
                )
            ]
        )
        return on_grid(maps, self._forward.frame)
