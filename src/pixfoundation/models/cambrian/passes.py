"""Passes of Cambrian-1 over a prompt and a given answer, for readings and causal tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from pixfoundation.attention.interface import AttentionError
from pixfoundation.attention.knockout import AttentionKnockout
from pixfoundation.geometry import GridFrame
from pixfoundation.models.cambrian.aggregator import ImageContext
from pixfoundation.models.cambrian.interleaving import samplers_attached
from pixfoundation.models.cambrian.network import IMAGE_TOKEN, Cambrian, ReadImage
from pixfoundation.models.common.growing_cache import let_grow
from pixfoundation.models.interventions import Block, TokenScores
from pixfoundation.models.transformers.forced import LayeredPass
from pixfoundation.models.transformers.scoring import token_scores

BLOCKS_AT_ONCE = 8


class CambrianPass(LayeredPass):
    """The pass over a prompt about an image and its answer; see `forward.Forward`.

    Attributes:
        frame: Position of the grid of image tokens on the image.
    """

    def __init__(
        self,
        core: Cambrian,
        ids_of: Callable[[str], list[int]],
        features: Sequence[Tensor],
        frame: GridFrame,
        prompt: str,
        token_ids: Sequence[int] = (),
    ) -> None:
        """Prepare.

        Args:
            core: The network.
            ids_of: Returns the ids of a question in the conversation, the image as one of them.
            features: The image, from `core.encode`.
            frame: Position of the grid of image tokens on the image.
            prompt: The question.
            token_ids: Ids of the answer's tokens, the stop token included; none for the prompt
                alone.
        """
        self.model, self.frame = core.llm, frame
        self.token_ids = tuple(token_ids)
        self._core, self._ids_of, self._features = core, ids_of, features
        self._ids = torch.tensor(ids_of(prompt), dtype=torch.long)
        start = core.image_position(self._ids)
        assert start is not None  # the conversation has put it there
        self._start = start

    @cached_property
    def _context(self) -> ImageContext:
        """The image as input of the language model, in tensors that a graph may hold."""
        height, width = self.frame.image_size
        context = self._core.aggregate(self._features, (width, height))
        with torch.inference_mode(False):
            return replace(
                context,
                tokens=context.tokens.clone(),
                summary=context.summary.clone(),
                windows=tuple(each.clone() for each in context.windows),
                visible=tuple(each.clone() for each in context.visible),
            )

    @property
    def columns(self) -> Tensor:
        """Positions of the image tokens, newlines left out, int64 [cells]."""
        return image_columns(self._start, self._context.grid)

    @property
    def prompt_length(self) -> int:
        """Number of positions of the prompt."""
        return len(self._ids) - 1 + len(self._context.tokens)

    @property
    def input_ids(self) -> Tensor:
        """Ids of all positions, int64 [positions]; image and newlines have the placeholder's."""
        image = torch.full((len(self._context.tokens),), IMAGE_TOKEN)
        before, behind = self._ids[: self._start], self._ids[self._start + 1 :]
        return torch.cat([before, image, behind, torch.tensor(self.token_ids[:-1]).long()])

    @property
    def image_token_ids(self) -> frozenset[int]:
        """The placeholder of the image."""
        return frozenset({IMAGE_TOKEN})

    def about(self, prompt: str) -> CambrianPass:
        """Return the pass over another prompt about the same image, without an answer."""
        return CambrianPass(self._core, self._ids_of, self._features, self.frame, prompt)

    def call(self, logits: int) -> Any:
        """Run the model; see `LayeredPass.call`."""
        core, context = self._core, self._context
        embedded = core.embed(self._ids, self._start, context)
        embedded = torch.cat([embedded, _answer(core, self.token_ids)], dim=1)
        core.check_length(embedded.shape[1])
        layers = core.llm.model.layers
        with samplers_attached(layers, core.samplers(), context, self._start):
            return core.llm(inputs_embeds=embedded, use_cache=False, logits_to_keep=logits)

    def scores(self) -> TokenScores:
        """Return how likely the answer is."""
        logits = self.call(len(self.token_ids)).logits
        return token_scores(logits, self.token_ids)[0]


def blocked_scores(
    core: Cambrian,
    input_ids: Sequence[int],
    read: ReadImage,
    token_ids: Sequence[int],
    blocks: Sequence[Block | None],
) -> list[TokenScores]:
    """Return how likely an answer is under each block of attention.

    Args:
        core: The network.
        input_ids: The prompt's ids, with the placeholder of the image.
        read: The beginning of the prompt up to the image, from `core.read`.
        token_ids: Ids of the answer's tokens, the stop token included.
        blocks: What is blocked in turn; None for nothing.

    Raises:
        AttentionError: If a block is on another grid, or the attention cannot be blocked.
    """
    start, context = len(read.ids) - 1, read.context
    past = start + len(context.tokens)
    columns = torch.zeros(len(blocks), past, dtype=torch.bool)
    for row, block in enumerate(blocks):
        if block is not None:
            _check_grid(block, context.grid)
            cells = torch.from_numpy(block.cells.ravel())
            columns[row, image_columns(start, context.grid)[cells]] = True
    layers = [() if block is None else block.layers for block in blocks]
    tail = torch.tensor(input_ids[start + 1 :], dtype=torch.long)
    question = core.embed(tail, None, None)
    embedded = torch.cat([question, _answer(core, token_ids)], dim=1)
    core.check_length(past + embedded.shape[1])
    scores: list[TokenScores] = []
    for first in range(0, len(blocks), BLOCKS_AT_ONCE):
        part = slice(first, first + BLOCKS_AT_ONCE)
        copies = len(layers[part])
        with ExitStack() as stack:
            stack.enter_context(
                AttentionKnockout(
                    core.llm, columns[part], after=past - 1, layers=layers[part], past_length=past
                )
            )
            output = core.llm(
                inputs_embeds=embedded.expand(copies, -1, -1),
                past_key_values=let_grow(read.cache, copies),
                use_cache=True,
                logits_to_keep=len(token_ids),
            )
        scores += token_scores(output.logits, token_ids)
    return scores


def image_columns(start: int, grid: tuple[int, int]) -> Tensor:
    """Return the positions of the image tokens of a grid, newlines left out, int64 [cells].

    Args:
        start: Position of the first of them.
        grid: (rows, columns); each row is followed by a newline.
    """
    rows, columns = grid
    return (start + torch.arange(rows * (columns + 1))).view(rows, -1)[:, :columns].flatten()


def _check_grid(block: Block, grid: tuple[int, int]) -> None:
    if block.cells.shape != grid:
        raise AttentionError(
            f"The block has {block.cells.shape[0]} x {block.cells.shape[1]} cells, but the model "
            f"sees this image in {grid[0]} x {grid[1]}."
        )


def _answer(core: Cambrian, token_ids: Sequence[int]) -> Tensor:
    """Return the embeddings of an answer without its last token, [1, tokens, width]."""
    table = core.llm.get_input_embeddings()
    ids = torch.tensor(token_ids[:-1], dtype=torch.long, device=table.weight.device)
    return table(ids)[None]
