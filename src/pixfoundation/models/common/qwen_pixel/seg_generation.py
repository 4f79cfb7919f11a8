"""Answers with the states of their segmentation tokens, taken while they are generated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor

from pixfoundation.attention.image_tokens import ImageLayout
from pixfoundation.models.base import Decoding
from pixfoundation.models.common.given_answers import ForcedAnswer
from pixfoundation.models.common.qwen_pixel.network import PixelQwen
from pixfoundation.models.common.qwen_pixel.states import StateRecorder
from pixfoundation.models.transformers.generation import AnswerGenerator
from pixfoundation.types import Answer


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class StatedAnswer(Answer):
    """An answer with the states of its segmentation tokens.

    Attributes:
        states: [n, width], the state that emitted each segmentation token, in order.
    """

    states: Tensor

    @classmethod
    def of(cls, answer: Answer, states: Tensor) -> StatedAnswer:
        """Add states to an answer."""
        own = {field.name: getattr(answer, field.name) for field in fields(Answer)}
        return cls(**own, states=states)

    def with_masks(self, **changes: Any) -> Answer:
        """Return the answer without the states, some of its fields replaced."""
        own = {field.name: getattr(self, field.name) for field in fields(Answer)}
        return Answer(**{**own, **changes})


@dataclass(frozen=True, eq=False, kw_only=True)
class SegGenerator(AnswerGenerator):
    """Generates with one model, and keeps the states of segmentation tokens.

    Only the last state of each forward pass is kept, so that memory grows by one row per token.

    Attributes:
        network: The network that the model is a part of.
    """

    network: PixelQwen

    def generate(
        self,
        inputs: dict[str, Any],
        layouts: Sequence[ImageLayout] | None,
        decoding: Decoding,
        salt: str,
        past: int = 0,
    ) -> list[Answer]:
        """Generate answers as `AnswerGenerator` does; each is a `StatedAnswer`."""
        network = self.network
        with StateRecorder(network.norm, network.family.side) as recorder:
            answers = AnswerGenerator.generate(self, inputs, layouts, decoding, salt, past)
        states = recorder.states()  # (batch, steps, width)
        stated: list[Answer] = []
        for own, answer in zip(states, answers, strict=True):
            asks = torch.tensor([token == network.seg_token_id for token in answer.token_ids])
            emitting = own[: len(asks)]  # row t emitted token t
            stated.append(StatedAnswer.of(answer, emitting[asks.to(own.device)]))
        return stated

    def read(
        self,
        inputs: dict[str, Any],
        layouts: Sequence[ImageLayout],
        answers: Sequence[ForcedAnswer],
        past: int = 0,
    ) -> list[Answer]:
        """Read answers as `AnswerGenerator` does; each is a `StatedAnswer`."""
        network = self.network
        with StateRecorder(network.norm, network.family.side, last_only=False) as recorder:
            made = AnswerGenerator.read(self, inputs, layouts, answers, past)
        states = recorder.states()  # (batch, read positions, width)
        stated: list[Answer] = []
        for own, forced, answer in zip(states, answers, made, strict=True):
            first = len(own) - len(forced.fed) - 1  # the position that emits the first token
            at = [first + t for t, i in enumerate(forced.fed) if i == network.seg_token_id]
            stated.append(StatedAnswer.of(answer, own[at]))
        return stated

    @property
    def hidden_tokens(self) -> frozenset[int]:
        """Ordinary tokens that an answer's text leaves out: the segmentation token."""
        return frozenset({self.network.seg_token_id})
