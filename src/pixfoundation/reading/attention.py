"""`attention`: attend-and-segment's reading, the mean over layers and heads minus the mean map.

Source: Cao et al., arXiv 2410.08209, as used by PixFoundation (arXiv 2502.04192).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pixfoundation.forward import Forward, Need
from pixfoundation.reading.base import Heads, Maps, on_grid, readings
from pixfoundation.reading.head_maps import HeadMaps


@readings.register(
    "attention",
    summary="attention averaged over layers and heads, minus the mean map of the answer",
    needs="the attention captured while generating; with `layers` or `heads` one more pass",
    source="arXiv 2410.08209",
)
def load(
    *, layers: Sequence[int] | None = None, heads: Heads = None, centred: bool = True
) -> AttentionReading:
    """Make the reading.

    Args:
        layers: Layers to average over, negative ones from the end; None for all.
        heads: Query heads to average over, for all layers or by layer; None for all.
        centred: Whether the mean map of the answer's tokens is subtracted.
    """
    return AttentionReading(layers, heads, centred)


@dataclass(frozen=True, slots=True)
class AttentionReading:
    """The reading `attention`; see `load`."""

    layers: Sequence[int] | None = None
    heads: Heads = None
    centred: bool = True

    name = "attention"
    needs = frozenset({Need.ROWS})

    @property
    def is_plain(self) -> bool:
        """Whether the attention that is captured while generating already is this reading."""
        return self.layers is None and self.heads is None and self.centred

    def observe(self, forward: Forward, phrases: Sequence[Sequence[int]]) -> AttentionObserver:
        """Return an observer of one pass; see `base.Reading`."""
        return AttentionObserver(forward, phrases, self)

    def settings(self) -> dict[str, Any]:
        """Return the options, as JSON data."""
        return asdict(self)


class AttentionObserver(HeadMaps):
    """Keeps the mean rows of the phrases and of the whole answer."""

    def __init__(
        self, forward: Forward, phrases: Sequence[Sequence[int]], reading: AttentionReading
    ) -> None:
        super().__init__(forward, [*phrases, range(len(forward.token_ids))], reading.layers)
        self._forward, self._reading = forward, reading

    def maps(self) -> Maps:
        """Return the maps; for an answer of one token the plain ones."""
        own = self._reading
        mean = self.mean(own.layers, own.heads, self._forward.depth)  # (G, n)
        centred = own.centred and len(self._forward.token_ids) > 1
        maps = mean[:-1] - mean[-1] if centred else mean[:-1]
        return on_grid(maps, self._forward.frame)
