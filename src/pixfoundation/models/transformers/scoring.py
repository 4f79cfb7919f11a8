"""How likely a model of transformers would give an answer, by one forward pass over its tokens."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from pixfoundation.attention.image_tokens import ImageLayout
from pixfoundation.attention.interface import AttentionError
from pixfoundation.attention.knockout import AttentionKnockout
from pixfoundation.models.interventions import Block, TokenScores
from pixfoundation.models.transformers.prefix import Prefix, prefix_length, read_prefix
from pixfoundation.models.transformers.prompting import (
    SEQUENCE_INPUTS,
    MakesPrompts,
    PromptBatch,
    placed,
)


@dataclass(frozen=True, slots=True, eq=False)
class AnswerScorer:
    """Scores answers with one model.

    Attributes:
        model: A generative model of transformers.
        maker: Makes its inputs.
        batch_size: Sequences per forward pass, at most.
    """

    model: Any
    maker: MakesPrompts
    batch_size: int

    def score(
        self, images: Sequence[Image.Image], text: str, token_ids: Sequence[int]
    ) -> list[TokenScores]:
        """Return how likely an answer to a question is about each image."""
        scores: list[TokenScores] = []
        for start in range(0, len(images), self.batch_size):
            own = images[start : start + self.batch_size]
            batch = self.maker.batch(own, [text] * len(own))
            scores += self._scores(batch, token_ids)
        return scores

    def score_blocked(
        self,
        image: Image.Image,
        text: str,
        token_ids: Sequence[int],
        blocks: Sequence[Block | None],
    ) -> list[TokenScores]:
        """Return how likely an answer is under each block of attention."""
        single = self.maker.batch([image], [text])
        views = self._views(single, image)
        columns = torch.zeros(len(blocks), single.inputs["input_ids"].shape[1], dtype=torch.bool)
        for row, block in enumerate(blocks):
            if block is not None:
                columns[row, _columns(block, views)] = True
        layers = [() if block is None else block.layers for block in blocks]
        length = prefix_length([single])
        prefix = None
        if length is not None:
            prefix = read_prefix(self.model, image, single, length)
        scores: list[TokenScores] = []
        for start in range(0, len(blocks), self.batch_size):
            part = slice(start, start + self.batch_size)
            knockout = AttentionKnockout(
                self.model,
                columns[part],
                after=int(single.image_at[0][-1]),
                layers=layers[part],
                past_length=0 if prefix is None else len(prefix.ids),
            )
            scores += self._scores(single, token_ids, len(layers[part]), knockout, prefix)
        return scores

    def _views(self, batch: PromptBatch, image: Image.Image) -> list[ImageLayout]:
        """Return the layout that maps are read from, then those of other views of the image."""
        makers = [self.maker, *self.maker.other_views()]
        return [maker.layout(batch, 0, image) for maker in makers]

    def _scores(
        self,
        batch: PromptBatch,
        token_ids: Sequence[int],
        copies: int = 1,
        knockout: AttentionKnockout | None = None,
        prefix: Prefix | None = None,
    ) -> list[TokenScores]:
        """Run the model over prompts and answer.

        Args:
            batch: The prompts.
            token_ids: Ids of the answer's tokens.
            copies: How often the batch, of one prompt if more than once, is repeated.
            knockout: What is blocked, for each copy; None for nothing.
            prefix: The state of the model after the image, if it was read before.
        """
        answer = torch.tensor(token_ids, dtype=torch.int64)
        inputs = self._with_answer(batch.inputs, answer)
        if prefix is not None:
            inputs = _behind(prefix, inputs, copies, self.model)
        elif copies > 1:
            inputs = {key: torch.cat([value] * copies) for key, value in inputs.items()}
        with ExitStack() as stack:
            if knockout is not None:
                stack.enter_context(knockout)
            output = self.model(
                **inputs, use_cache=prefix is not None, logits_to_keep=len(answer) + 1
            )
        return token_scores(output.logits[:, -len(answer) - 1 : -1], token_ids)

    def _with_answer(self, inputs: dict[str, Tensor], answer: Tensor) -> dict[str, Tensor]:
        """Append the answer's tokens to the prompts, and put everything where the model is."""
        fills = {"input_ids": answer, "attention_mask": torch.ones_like(answer)}
        fills |= dict.fromkeys(("token_type_ids", "mm_token_type_ids"), torch.zeros_like(answer))
        longer: dict[str, Tensor] = {}
        for key, value in inputs.items():
            if key in fills:
                tail = fills[key].to(value.dtype).expand(len(value), -1)
                value = torch.cat([value, tail], dim=1)
            longer[key] = value
        return placed(self.model, longer)


def token_scores(logits: Tensor, token_ids: Sequence[int]) -> list[TokenScores]:
    """Return how likely an answer is in each sequence of a batch.

    Args:
        logits: [batch, tokens, vocabulary], at the positions that emit the tokens.
        token_ids: Ids of the answer's tokens.
    """
    wide = logits.float()
    own = torch.tensor(token_ids, device=wide.device).expand(len(wide), -1)[..., None]
    chosen = torch.log_softmax(wide, dim=-1).gather(-1, own)[..., 0].cpu()
    best = (wide.argmax(dim=-1, keepdim=True) == own)[..., 0].cpu()
    return [
        TokenScores(tuple(values), tuple(flags))
        for values, flags in zip(chosen.tolist(), best.tolist(), strict=True)
    ]


def _behind(prefix: Prefix, inputs: dict[str, Tensor], copies: int, model: Any) -> dict[str, Any]:
    """Return the inputs that follow a prefix, `copies` times, with its keys and values."""
    length = len(prefix.ids)
    tails: dict[str, Any] = {
        key: (value if key == "attention_mask" else value[:, length:]).expand(copies, -1)
        for key, value in inputs.items()
        if key in SEQUENCE_INPUTS
    }
    if prefix.rope_deltas is not None:  # positions of text count on in all dimensions
        places = torch.arange(length, inputs["input_ids"].shape[1], device=model.device)
        deltas = prefix.rope_deltas.to(model.device).reshape(1, 1, -1)
        tails["position_ids"] = (places + deltas).expand(3, copies, -1)
    return {**tails, "past_key_values": prefix.copied_cache(copies)}


def _columns(block: Block, views: Sequence[ImageLayout]) -> Tensor:
    """Return the positions of the tokens that see the cells of a block, in every view.

    Of the view that the cells belong to, these are the cells' own tokens; of another view, those
    whose centre lies in one of the cells.
    """
    first = views[0].frame
    if block.cells.shape != (first.rows, first.columns):
        raise AttentionError(
            f"The block has {block.cells.shape[0]} x {block.cells.shape[1]} cells, but the model "
            f"sees this image in {first.rows} x {first.columns}."
        )
    columns = [views[0].columns[torch.from_numpy(block.cells.ravel())]]
    x0, y0, x1, y1 = first.box
    for view in views[1:]:
        frame = view.frame
        places = [
            frame.cell_center(row, column)
            for row in range(frame.rows)
            for column in range(frame.columns)
        ]
        x, y = np.array(places).T
        column = np.floor((x - x0) * first.columns / (x1 - x0)).astype(int)
        row = np.floor((y - y0) * first.rows / (y1 - y0)).astype(int)
        on_grid = (row >= 0) & (row < first.rows) & (column >= 0) & (column < first.columns)
        hit = block.cells[row.clip(0, first.rows - 1), column.clip(0, first.columns - 1)] & on_grid
        columns.append(view.columns[torch.from_numpy(hit)])
    return torch.cat(columns).unique()
