"""Several prompts behind one picture: each sees the picture and itself, positions restart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from recipes.symbols import PATCHES
from recipes.texts import Lesson
from recipes.tokenizer import BOS, EOS, IMAGE, PAD

IGNORE = -100


@dataclass(frozen=True)
class Packed:
    """A batch of packed pictures; L is the fixed length.

    Attributes:
        ids: long [B, L], the image tokens included.
        positions: long [B, L].
        segments: long [B, L]; 0 the picture, 1.. the prompts, -1 padding.
        labels: long [B, L], the token that follows where it belongs to an answer, else IGNORE.
        tasks: long [B, L], number of the lesson's task in `Packer.tasks`, -1 elsewhere.
    """

    ids: Tensor
    positions: Tensor
    segments: Tensor
    labels: Tensor
    tasks: Tensor

    def attention_mask(self) -> Tensor:
        """Bool [B, 1, L, L]: causal, to the picture and to the own prompt only."""
        length = self.ids.shape[1]
        rows, columns = self.segments[:, :, None], self.segments[:, None, :]
        causal = torch.ones(length, length, dtype=torch.bool).tril()
        # A row of padding sees itself, so that no row is without a column.
        allowed = ((columns == 0) | (columns == rows)) & causal
        return (allowed | torch.eye(length, dtype=torch.bool))[:, None]


class Packer:
    """Turns lessons into token arrays of fixed length.

    Attributes:
        prefix: ids of the part before the lessons: `<s>USER: ` and the image tokens.
        image_start: where the image tokens start.
        tasks: names of the tasks, in the order of their numbers.
    """

    def __init__(
        self, tokenizer: PreTrainedTokenizerFast, length: int, tasks: Sequence[str]
    ) -> None:
        """Make a packer for sequences of `length` tokens, picture included."""
        self._backend = tokenizer.backend_tokenizer
        self._known: dict[str, list[int]] = {}
        self.length = length
        self.tasks = tuple(tasks)
        self._pad = tokenizer.convert_tokens_to_ids(PAD)
        self._eos = tokenizer.convert_tokens_to_ids(EOS)
        head = [tokenizer.convert_tokens_to_ids(BOS), *self._encode("USER: ")]
        self.image_start = len(head)
        self.prefix = head + [tokenizer.convert_tokens_to_ids(IMAGE)] * PATCHES

    def _encode(self, text: str) -> list[int]:
        ids = self._known.get(text)
        if ids is None:
            ids = self._backend.encode(text, add_special_tokens=False).ids
            if len(self._known) < 200_000:
                self._known[text] = ids
        return ids

    def pack(self, pictures: Sequence[Sequence[Lesson]]) -> Packed:
        """Pack the lessons of each picture; lessons that no longer fit are left out."""
        shape = (len(pictures), self.length)
        ids = np.full(shape, self._pad, dtype=np.int64)
        positions = np.zeros(shape, dtype=np.int64)
        segments = np.full(shape, -1, dtype=np.int64)
        labels = np.full(shape, IGNORE, dtype=np.int64)
        tasks = np.full(shape, -1, dtype=np.int64)
        start = len(self.prefix)
        ids[:, :start] = self.prefix
        positions[:, :start] = np.arange(start)
        segments[:, :start] = 0
        for row, lessons in enumerate(pictures):
            at = start
            for number, each in enumerate(lessons, start=1):
                prompt = self._encode(f"\n{each.prompt} ASSISTANT:{each.begun}")
                answer = [*self._encode(each.answer), self._eos]
                end = at + len(prompt) + len(answer) - 1
                if end > self.length:
                    continue
                ids[row, at:end] = (prompt + answer)[:-1]
                positions[row, at:end] = np.arange(start, start + end - at)
                segments[row, at:end] = number
                first = at + len(prompt) - 1
                labels[row, first:end] = answer
                tasks[row, first:end] = self.tasks.index(each.task)
                at = end
        arrays = (ids, positions, segments, labels, tasks)
        return Packed(*(torch.from_numpy(a) for a in arrays))
