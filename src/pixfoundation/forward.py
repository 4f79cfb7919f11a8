"""What a reading may see of a model: one forward pass over a prompt and the answer to it.

Adapters implement `Forward`; readings and the analysis of heads look at its passes as observers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from pixfoundation.geometry import GridFrame

if TYPE_CHECKING:  # the protocols need no torch
    from torch import Tensor


class Need(StrEnum):
    """What a reading asks of a model's forward pass."""

    ROWS = "rows"  # attention rows of every layer and head
    STATES = "states"  # hidden states and the output head
    GRADIENT = "gradient"  # gradients to attention rows
    SECOND_PROMPT = "second prompt"  # a pass over another prompt about the same image


class Observer(Protocol):
    """Looks at a forward pass while it runs. Nothing is kept but what the observer keeps."""

    @property
    def queries(self) -> range | None:
        """Positions whose attention rows it gets, without gaps; None for no attention."""
        ...

    @property
    def wants_states(self) -> bool:
        """Whether it gets hidden states."""
        ...

    def attend(self, layer: int, first: int, weights: Tensor) -> None:
        """Take some attention rows of a layer; they come in blocks, in order.

        Args:
            layer: Index of the layer.
            first: Position of the query of the first row.
            weights: float32 [heads, rows, positions]; rows sum to 1.
        """
        ...

    def state(self, layer: int, states: Tensor) -> None:
        """Take hidden states.

        Args:
            layer: The layer that gets these states; the number of layers for the states behind
                the final norm.
            states: [positions, width] in the model's precision.
        """
        ...


class Forward(Protocol):
    """One forward pass over a prompt about an image and the answer to it, batch of one.

    The answer's last token is not fed: the query that emits a token is the position before it.
    """

    @property
    def frame(self) -> GridFrame:
        """Position of the grid of image tokens on the image."""
        ...

    @property
    def columns(self) -> Tensor:
        """Positions of the image tokens, int64 [cells], in row-major order of the grid."""
        ...

    @property
    def input_ids(self) -> Tensor:
        """Ids of all positions, int64 [positions]."""
        ...

    @property
    def image_token_ids(self) -> frozenset[int]:
        """Ids that stand for the image in `input_ids`."""
        ...

    @property
    def token_ids(self) -> tuple[int, ...]:
        """Ids of the answer's tokens; empty without an answer."""
        ...

    @property
    def prompt_length(self) -> int:
        """Number of positions of the prompt."""
        ...

    @property
    def depth(self) -> int:
        """Number of decoder layers."""
        ...

    def run(self, observers: Sequence[Observer]) -> None:
        """Compute the pass once, without gradients, for all observers."""
        ...

    def logits(self, states: Tensor) -> Tensor:
        """Apply the output head alone, without scaling or capping of logits.

        Args:
            states: [..., width].

        Returns:
            float32 [..., vocabulary].
        """
        ...

    def norm(self, states: Tensor) -> Tensor:
        """Apply the model's final norm to states of a layer, [..., width]."""
        ...

    def about(self, prompt: str) -> Forward:
        """Return the pass over another prompt about the same image, without an answer."""
        ...

    def gradients(
        self,
        groups: Sequence[Sequence[int]],
        layers: Sequence[int],
        visit: Callable[[int, int, Tensor, Tensor], None],
    ) -> None:
        """Compute the gradients of log-probabilities to attention, by one backward per group.

        Args:
            groups: For each group the indices of the answer's tokens whose log-probabilities are
                summed.
            layers: Layers whose attention is differentiated.
            visit: Called with the index of the group, the layer, and the attention and its
                gradient, both float32 [heads, tokens of the group, cells], at the queries that
                emitted the tokens.
        """
        ...
