"""`relative`: the map of an answer over the map of a generic prompt about the same image.

Source: Zhang et al., 'MLLMs Know Where to Look' (arXiv 2502.17422): at one layer, attention
averaged over heads, of the last prompt token, divided cell by cell by the same under a generic
prompt. Here the numerator is the mean row of a phrase's tokens, so that every phrase has a map of
its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any

from pixfoundation.errors import DataError
from pixfoundation.forward import Forward, Need
from pixfoundation.reading.base import GENERAL_PROMPT, Maps, on_grid, readings
from pixfoundation.reading.head_maps import HeadMaps
from pixfoundation.typed_options import Within

PUBLISHED_LAYERS = {32: 14, 36: 22}
"""The published layer by the number of layers: LLaVA 1.5 7B, Qwen2.5-VL 3B."""


@readings.register(
    "relative",
    summary="attention of one layer, divided by that under a generic prompt",
    needs="attention rows of one pass, and of one more over the generic prompt",
    source="arXiv 2502.17422",
)
def load(
    *,
    layers: Sequence[int] | None = None,
    generic: str = GENERAL_PROMPT,
    floor: Annotated[float, Within(least=0)] = 0.01,
) -> RelativeReading:
    """Make the reading.

    Args:
        layers: Layers to average over, negative ones from the end. By default the published layer
            for 32 and 36 layers, else the layer at the same relative depth as the former.
        generic: The generic prompt.
        floor: Least value of the denominator, as a share of its mean over the cells; 0 divides by
            whatever is there, as the published code does.
    """
    if not generic.strip():
        raise DataError("The generic prompt of the reading 'relative' is empty.")
    return RelativeReading(layers, generic, floor)


def default_layer(depth: int) -> int:
    """Return the layer that is read by default, for a model of `depth` layers."""
    return PUBLISHED_LAYERS.get(depth, min(round(depth * 14 / 32), depth - 1))


@dataclass(frozen=True, slots=True)
class RelativeReading:
    """The reading `relative`; see `load`."""

    layers: Sequence[int] | None = None
    generic: str = GENERAL_PROMPT
    floor: float = 0.01

    name = "relative"
    needs = frozenset({Need.ROWS, Need.SECOND_PROMPT})

    def observe(self, forward: Forward, phrases: Sequence[Sequence[int]]) -> RelativeObserver:
        """Return an observer of one pass; see `base.Reading`."""
        return RelativeObserver(forward, phrases, self)

    def settings(self) -> dict[str, Any]:
        """Return the options, as JSON data."""
        return asdict(self)


class RelativeObserver(HeadMaps):
    """Keeps the mean rows of the phrases at the chosen layers."""

    def __init__(
        self, forward: Forward, phrases: Sequence[Sequence[int]], reading: RelativeReading
    ) -> None:
        own = reading.layers
        self._chosen = [default_layer(forward.depth)] if own is None else own
        super().__init__(forward, phrases, self._chosen)
        self._forward, self._reading = forward, reading

    def maps(self) -> Maps:
        """Run the pass over the generic prompt and return the ratios."""
        other = self._forward.about(self._reading.generic)
        if other.frame != self._forward.frame:
            raise DataError("The generic prompt shows the image on another grid.")
        generic = HeadMaps(other, [[0]], self._chosen)
        other.run([generic])
        depth = self._forward.depth
        above = self.mean(self._chosen, None, depth)  # (phrases, n)
        below = generic.mean(self._chosen, None, depth)  # (1, n)
        below = below.clamp(min=self._reading.floor * float(below.mean()))
        return on_grid(above / below, self._forward.frame)
