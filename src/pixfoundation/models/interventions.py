"""What models offer to causal tests, in addition to answering: see `causes` and `controls`.

A model class implements what it can; each test names what it needs and refuses other models.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pixfoundation.conventions import DEFAULT, ModelConventions
from pixfoundation.geometry import GridFrame
from pixfoundation.types import Prompt


@dataclass(frozen=True, slots=True)
class TokenScores:
    """How likely a model would give the tokens of an answer, each after all earlier ones.

    Attributes:
        log_probabilities: Natural logarithm of the probability of each token, at most 0.
        most_likely: Whether each token is the most likely one, as greedy decoding would choose.
    """

    log_probabilities: tuple[float, ...]
    most_likely: tuple[bool, ...]

    def of(self, first: int) -> tuple[float, bool]:
        """Return the log-probability of the tokens from one on, and whether decoding gives them.

        Args:
            first: Index of the first token that counts.
        """
        return sum(self.log_probabilities[first:]), all(self.most_likely[first:])


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Attention that is blocked from the text to some cells of the image.

    Attributes:
        cells: bool [grid rows, grid columns], on the grid of the model's attention traces.
        frame: Position of that grid on the image.
        layers: The decoder layers that block; None for all.
    """

    cells: NDArray[np.bool_]
    frame: GridFrame
    layers: tuple[int, ...] | None = None


@runtime_checkable
class ScoresAnswers(Protocol):
    """A model that says how likely an answer is."""

    def score_answer(
        self,
        images: Sequence[Image.Image],
        prompt: Prompt,
        token_ids: Sequence[int],
        conventions: ModelConventions = DEFAULT.model,
    ) -> list[TokenScores]:
        """Return how likely one answer to one prompt is about each of several images.

        Args:
            images: RGB images of one size.
            prompt: The prompt.
            token_ids: Ids of the answer's tokens, thoughts and stop token included.
            conventions: The rules by which the model was asked.
        """
        ...


@runtime_checkable
class BlocksAttention(Protocol):
    """A model that says how likely an answer is while its attention to the image is blocked."""

    @property
    def depth(self) -> int:
        """Number of decoder layers."""
        ...

    def score_blocked(
        self,
        image: Image.Image,
        prompt: Prompt,
        token_ids: Sequence[int],
        blocks: Sequence[Block | None],
        conventions: ModelConventions = DEFAULT.model,
    ) -> list[TokenScores]:
        """Return how likely an answer is under each block; None blocks nothing.

        Args:
            image: The RGB image.
            prompt: The prompt.
            token_ids: Ids of the answer's tokens, thoughts and stop token included.
            blocks: What is blocked in turn.
            conventions: The rules by which the model was asked.

        Raises:
            AttentionError: If the attention of the model cannot be blocked.
        """
        ...


@runtime_checkable
class RandomisesWeights(Protocol):
    """A model whose weights can be replaced by random ones, for as long as a block lasts."""

    @property
    def depth(self) -> int:
        """Number of decoder layers."""
        ...

    def randomised(self, layers: int | None, seed: int) -> AbstractContextManager[None]:
        """Replace weights by those of the architecture's own initialisation, and restore them.

        Args:
            layers: Number of decoder layers, from the top down; None for all weights of the model.
            seed: Seed of the weights.
        """
        ...
