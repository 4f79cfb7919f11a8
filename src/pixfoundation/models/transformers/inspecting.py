"""What adapters around a stock class of transformers offer to readings and causal tests."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from PIL import Image

from pixfoundation.attention.interface import count_layers, has_linear_attention
from pixfoundation.conventions import DEFAULT, ModelConventions
from pixfoundation.forward import Need
from pixfoundation.models.base import Capability, Decoding
from pixfoundation.models.interventions import Block, TokenScores
from pixfoundation.models.transformers.forced import ForcedForward
from pixfoundation.models.transformers.prompting import MakesPrompts
from pixfoundation.models.transformers.randomising import random_weights
from pixfoundation.models.transformers.scoring import AnswerScorer
from pixfoundation.types import Answer, Prompt


@dataclass(frozen=True, slots=True, eq=False)
class Inside:
    """What an adapter is inside.

    Attributes:
        model: The generative model of transformers.
        maker: Makes its inputs under the rules of a run.
        batch_size: Sequences per forward pass, at most.
    """

    model: Any
    maker: MakesPrompts
    batch_size: int


class Inspected(ABC):
    """A base of adapters whose language model, with its vision tower, is a class of transformers.

    It makes them a `GivesForwards`, `ScoresAnswers`, `BlocksAttention` and `RandomisesWeights`.

    Attributes:
        capabilities: What the model offers; `attention` if the place of its image tokens is known.
    """

    capabilities: frozenset[Capability]

    @abstractmethod
    def inside(self, conventions: ModelConventions) -> Inside:
        """Return model and prompts as they are under the rules of a run."""

    def text_of(self, prompt: Prompt, conventions: ModelConventions) -> str:
        """Return what the model reads of a prompt, as `answer` gives it to the model."""
        return prompt.text

    @abstractmethod
    def forget_image(self) -> None:
        """Free what was computed of the last image."""

    def lacks(self, needs: frozenset[Need]) -> str | None:
        """Return why the model cannot give what a reading needs; see `GivesForwards`."""
        model = self.inside(DEFAULT.model).model
        if "attention" not in self.capabilities:
            return (
                "the layout of image tokens is not known for models of type "
                f"{model.config.model_type!r}"
            )
        if has_linear_attention(model) and needs & {Need.ROWS, Need.GRADIENT}:
            return "the model has layers without attention (linear attention)"
        return None

    def forward(
        self,
        image: Image.Image,
        prompt: Prompt,
        token_ids: Sequence[int],
        conventions: ModelConventions = DEFAULT.model,
    ) -> ForcedForward:
        """Return the pass over a prompt and an answer to it; see `GivesForwards`."""
        own = self.inside(conventions)
        text = self.text_of(prompt, conventions)
        return ForcedForward(own.model, own.maker, image, text, token_ids)

    def with_forwards(
        self,
        images: Sequence[Image.Image],
        texts: Sequence[str],
        answers: Sequence[Answer],
        decoding: Decoding,
    ) -> list[Answer]:
        """Add to each answer the pass over what the model read and wrote, if that is wanted.

        Args:
            images: The image of each answer.
            texts: What the model read, from `text_of`.
            answers: The answers; one that failed or is empty gets no pass.
            decoding: Whether passes are wanted, and the rules by which the model was asked.
        """
        if not decoding.forward:
            return list(answers)
        own = self.inside(decoding.conventions)
        return [
            replace(
                answer, forward=ForcedForward(own.model, own.maker, image, text, answer.token_ids)
            )
            if answer.token_ids and answer.error is None
            else answer
            for image, text, answer in zip(images, texts, answers, strict=True)
        ]

    @torch.inference_mode()
    def score_answer(
        self,
        images: Sequence[Image.Image],
        prompt: Prompt,
        token_ids: Sequence[int],
        conventions: ModelConventions = DEFAULT.model,
    ) -> list[TokenScores]:
        """Return how likely an answer is about each image; see `models.interventions`."""
        text = self.text_of(prompt, conventions)
        return self._scorer(conventions).score(images, text, token_ids)

    @torch.inference_mode()
    def score_blocked(
        self,
        image: Image.Image,
        prompt: Prompt,
        token_ids: Sequence[int],
        blocks: Sequence[Block | None],
        conventions: ModelConventions = DEFAULT.model,
    ) -> list[TokenScores]:
        """Return how likely an answer is under each block; see `models.interventions`."""
        text = self.text_of(prompt, conventions)
        return self._scorer(conventions).score_blocked(image, text, token_ids, blocks)

    @property
    def depth(self) -> int:
        """Number of decoder layers."""
        return count_layers(self.inside(DEFAULT.model).model)

    @contextmanager
    def randomised(self, layers: int | None, seed: int) -> Generator[None, None, None]:
        """Replace weights by random ones in a block; see `models.interventions`."""
        self.forget_image()
        try:
            with random_weights(self.inside(DEFAULT.model).model, layers, seed):
                yield
        finally:
            self.forget_image()

    def _scorer(self, conventions: ModelConventions) -> AnswerScorer:
        own = self.inside(conventions)
        return AnswerScorer(own.model, own.maker, own.batch_size)
