"""Texts that end an answer, even where several ordinary tokens spell them.

Source: bytedance/Sa2VA, `StopWordStoppingCriteria` of its InternVL variants.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from pixfoundation.models.sa2va.tokens import Tokens


class StopWords:
    """Ends an answer after a text, as the published code compares it at every step.

    Attributes:
        ends: Length of each answer that has ended so, by row.
    """

    def __init__(self, words: tuple[str, ...], tokens: Tokens, prompt: int) -> None:
        """Prepare.

        Args:
            words: The texts.
            tokens: Decodes answers.
            prompt: Length of the prompts.
        """
        self._words, self._tokens, self._prompt = words, tokens, prompt
        self.ends: dict[int, int] = {}

    def __call__(self, input_ids: Tensor, scores: Any, **_: Any) -> Tensor:
        """Return for each row whether it has ended.

        Args:
            input_ids: int64 [batch, prompt + answer].
            scores: Unused.
        """
        for row, ids in enumerate(input_ids[:, self._prompt :].tolist()):
            if row not in self.ends and self._tokens.raw(ids).replace("\r", "").replace(
                "\n", ""
            ).endswith(self._words):
                self.ends[row] = len(ids)
        done = [row in self.ends for row in range(len(input_ids))]
        return torch.tensor(done, device=input_ids.device)


def without_stop_word(
    text: str, spans: Sequence[tuple[int, int]], stop_words: Sequence[str]
) -> tuple[str, tuple[tuple[int, int], ...]]:
    """Return an answer without the words that ended it, which may be ordinary tokens.

    Args:
        text: The answer.
        spans: [start, end) characters of each token.
        stop_words: Texts that end an answer; line breaks inside them do not count.
    """
    for word in stop_words:
        pattern = r"[\r\n]*".join(map(re.escape, word)) + r"[\r\n]*$"
        if match := re.search(pattern, text):
            end = match.start()
            return text[:end], tuple((min(start, end), min(stop, end)) for start, stop in spans)
    return text, tuple(spans)
