"""`logit-lens`: how much the states of the image tokens say the words of the phrase.

Source: Jiang et al., 'Interpreting and Editing Vision-Language Representations' (arXiv 2410.02762):
the output head is applied to the states of the image tokens in every layer; of the soft-max over
the 50 largest logits, the probability of the phrase's tokens, the maximum over tokens and
layers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from pixfoundation.forward import Forward, Need
from pixfoundation.reading.base import Maps, Silent, chosen_layers, on_grid, readings
from pixfoundation.typed_options import Count

if TYPE_CHECKING:
    from torch import Tensor

_POSITIONS_AT_ONCE = 64  # bounds the memory of the logits


@readings.register(
    "logit-lens",
    summary="the output head on the states of the image tokens, in every layer",
    needs="hidden states of one pass; no attention",
    source="arXiv 2410.02762",
)
def load(
    *, layers: Sequence[int] | None = None, norm: bool = False, largest: Count = 50
) -> LogitLens:
    """Make the reading.

    Args:
        layers: Indices of hidden states: 0 for the embeddings, the number of layers for the states
            behind the final norm, negative ones from the end; None for all.
        norm: Whether the final norm is applied to the states of all layers, as in the standard
            logit lens. The published code does not, so that layers with large states dominate.
        largest: Number of largest logits over which the soft-max is taken.
    """
    return LogitLens(layers, norm, largest)


@dataclass(frozen=True, slots=True)
class LogitLens:
    """The reading `logit-lens`; see `load`."""

    layers: Sequence[int] | None = None
    norm: bool = False
    largest: int = 50

    name = "logit-lens"
    needs = frozenset({Need.STATES})

    def observe(self, forward: Forward, phrases: Sequence[Sequence[int]]) -> LogitLensObserver:
        """Return an observer of one pass; see `base.Reading`."""
        return LogitLensObserver(forward, phrases, self)

    def settings(self) -> dict[str, Any]:
        """Return the options, as JSON data."""
        return asdict(self)


class LogitLensObserver(Silent):
    """Keeps the largest probability of each phrase so far, [phrases, cells]."""

    wants_states = True

    def __init__(
        self, forward: Forward, phrases: Sequence[Sequence[int]], reading: LogitLens
    ) -> None:
        import torch

        self._forward, self._reading = forward, reading
        self._layers = frozenset(chosen_layers(reading.layers, forward.depth + 1))
        self._ids = [[forward.token_ids[token] for token in tokens] for tokens in phrases]
        self._best = torch.zeros(len(phrases), len(forward.columns))

    def state(self, layer: int, states: Tensor) -> None:
        """Read the image tokens of a layer; see `Observer`."""
        import torch

        if layer not in self._layers:
            return
        image = states[self._forward.columns.to(states.device)]  # (n, d)
        if self._reading.norm and layer < self._forward.depth:
            image = self._forward.norm(image)
        for start in range(0, len(image), _POSITIONS_AT_ONCE):
            block = slice(start, start + _POSITIONS_AT_ONCE)
            logits = self._forward.logits(image[block])  # (m, V)
            top = logits.topk(min(self._reading.largest, logits.shape[1]), dim=1)
            probabilities = torch.zeros_like(logits).scatter(
                1, top.indices, torch.softmax(top.values, dim=1)
            )
            for place, ids in enumerate(self._ids):
                own = probabilities[:, ids].amax(dim=1).cpu()
                self._best[place, block] = torch.maximum(self._best[place, block], own)

    def maps(self) -> Maps:
        """Return the maps."""
        return on_grid(self._best, self._forward.frame)
