"""`gradient`: attention times the positive gradient of the phrase's log-probability to it.

Source: Zhang et al., 'MLLMs Know Where to Look' (arXiv 2502.17422), after Chefer et al. (arXiv
2103.15679): mean over heads of A * relu(ds / dA) at the query that emits a token, with s the
log-probability of that token. For a phrase of several tokens, s is the log-probability of the
phrase and the map the mean over its tokens; one backward per phrase.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from pixfoundation.forward import Forward, Need
from pixfoundation.reading.base import Maps, Silent, chosen_layers, on_grid, readings

if TYPE_CHECKING:
    from torch import Tensor


@readings.register(
    "gradient",
    summary="attention times the gradient of the phrase's log-probability",
    needs="one pass with gradients and one backward per phrase",
    source="arXiv 2502.17422, arXiv 2103.15679",
)
def load(*, layers: Sequence[int] | None = None) -> GradientReading:
    """Make the reading.

    Args:
        layers: Layers to average over, negative ones from the end; None for all. The graph reaches
            from the lowest of them up, so that high layers need less memory.
    """
    return GradientReading(layers)


@dataclass(frozen=True, slots=True)
class GradientReading:
    """The reading `gradient`; see `load`."""

    layers: Sequence[int] | None = None

    name = "gradient"
    needs = frozenset({Need.GRADIENT})

    def observe(self, forward: Forward, phrases: Sequence[Sequence[int]]) -> GradientObserver:
        """Return an observer of one pass; see `base.Reading`."""
        return GradientObserver(forward, phrases, self)

    def settings(self) -> dict[str, Any]:
        """Return the options, as JSON data."""
        return asdict(self)


class GradientObserver(Silent):
    """Sees nothing of the common pass: gradients need one of their own."""

    def __init__(
        self, forward: Forward, phrases: Sequence[Sequence[int]], reading: GradientReading
    ) -> None:
        self._forward, self._phrases = forward, phrases
        self._layers = chosen_layers(reading.layers, forward.depth)

    def maps(self) -> Maps:
        """Compute one backward per phrase and return the maps."""
        import torch

        frame = self._forward.frame
        sums = torch.zeros(len(self._phrases), frame.rows * frame.columns)

        def add(phrase: int, layer: int, weights: Tensor, gradient: Tensor) -> None:
            del layer
            product = weights * gradient.clamp(min=0)  # (H, tokens, n)
            sums[phrase] += product.mean(dim=(0, 1)).float().cpu()

        self._forward.gradients(self._phrases, self._layers, add)
        return on_grid(sums / len(self._layers), frame)
