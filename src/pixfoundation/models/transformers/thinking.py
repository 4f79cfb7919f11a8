"""Switch the thoughts of a local model, and bound them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from transformers import LogitsProcessor

from pixfoundation.answer_parts import closing_marker, opens_thoughts, take_apart
from pixfoundation.errors import DataError

SWITCHES = ("enable_thinking", "thinking")
"""Variables by which chat templates switch thoughts: Qwen3, GLM and others; DeepSeek, Granite."""

_TAIL = 24  # tokens of a prompt among which its last marker is looked for


@dataclass(frozen=True, slots=True)
class Thinking:
    """Whether a local model thinks before it answers, and how much.

    Attributes:
        switch: Whether it thinks, by the switch of its chat template; None leaves it to the
            template.
        tokens: Number of tokens that thoughts may have, in addition to those of the answer. At this
            number open thoughts are closed. 0 leaves thoughts within the limit of the answer.
        template_options: Further variables of the chat template.
    """

    switch: bool | None = None
    tokens: int = 0
    template_options: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def variables(self) -> dict[str, Any]:
        """Return the variables that the chat template gets."""
        switches = {} if self.switch is None else dict.fromkeys(SWITCHES, self.switch)
        return {**switches, **self.template_options}

    def check(self, template: str) -> None:
        """Refuse a switch that the chat template does not have.

        Raises:
            DataError: If the template reads none of the variables.
        """
        if self.switch is not None and not any(
            re.search(rf"\b{name}\b", template) for name in SWITCHES
        ):
            raise DataError(
                "The checkpoint's chat template has no switch for thoughts: it reads neither "
                f"{' nor '.join(SWITCHES)}. Leave the model option `thinking` out, or set what the "
                "template reads with `template_options`."
            )

    def to_json(self) -> dict[str, Any]:
        """Return what differs from the default as plain JSON data."""
        data: dict[str, Any] = {}
        if self.switch is not None:
            data["thinking"] = self.switch
        if self.tokens:
            data["thinking_tokens"] = self.tokens
        if self.template_options:
            data["template_options"] = dict(self.template_options)
        return data


class ThoughtLimit(LogitsProcessor):
    """Closes thoughts that are still open after a number of tokens."""

    def __init__(self, tokenizer: Any, prompt: Tensor, limit: int) -> None:
        """Keep the settings.

        Args:
            tokenizer: The model's tokenizer.
            prompt: int64 [batch, length], the tokens before the answers.
            limit: Number of generated tokens after which thoughts are closed.
        """
        self._tokenizer, self._length, self._limit = tokenizer, prompt.shape[1], limit
        self._tails = [opening_of(tokenizer, row) for row in prompt]
        self._forced: list[list[int]] | None = None

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Return the scores, those of all but the forced token at minus infinity."""
        step = input_ids.shape[1] - self._length
        if step < self._limit:
            return scores
        if self._forced is None:
            self._forced = [
                self._closing(row[self._length :], tail)
                for row, tail in zip(input_ids, self._tails, strict=True)
            ]
        for row, ids in enumerate(self._forced):
            if step - self._limit < len(ids):
                token = ids[step - self._limit]
                scores[row] = torch.full_like(scores[row], -torch.inf)
                scores[row, token] = 0.0
        return scores

    def _closing(self, generated: Tensor, opening: str) -> list[int]:
        """Return the tokens that close the thoughts of an answer; none if they are closed."""
        text = opening + self._tokenizer.decode(generated, skip_special_tokens=False)
        if not take_apart(text).unfinished:
            return []
        marker = closing_marker(text)
        return self._tokenizer.encode(marker, add_special_tokens=False)


def opening_of(tokenizer: Any, prompt: Tensor) -> str:
    """Return the marker with which a prompt opens thoughts; empty if it opens none.

    Args:
        tokenizer: The model's tokenizer.
        prompt: int64 [length], the tokens of the prompt.
    """
    tail = tokenizer.decode(prompt[-_TAIL:], skip_special_tokens=False)
    return opens_thoughts(tail)
