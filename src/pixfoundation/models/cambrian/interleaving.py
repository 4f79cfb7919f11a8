"""The samplers between the language model's layers, as hooks on transformers' own decoder.

After decoder layers 0, 3, 6, ... the image tokens attend to the encoders' windows again. This
happens once, in the forward pass over the prompt; the key-value cache keeps the result. Hooks leave
the decoder's loop, cache and attention unchanged.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from pixfoundation.models.cambrian.aggregator import ImageContext, Sampler


@contextmanager
def samplers_attached(
    layers: nn.ModuleList, samplers: Mapping[int, Sampler], context: ImageContext, start: int
) -> Iterator[None]:
    """Attach the samplers for the first forward pass over the image tokens within the context.

    Args:
        layers: The decoder's layers.
        samplers: The sampler that follows a layer, by the layer's index.
        context: The image, for its windows.
        start: Position of the first image token in the sequence.
    """
    # Before other hooks, so that those that record hidden states record the next layer's input.
    handles = [
        layers[index].register_forward_hook(_SamplerHook(sampler, context, start), prepend=True)
        for index, sampler in samplers.items()
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


class _SamplerHook:
    """Updates the image tokens in one layer's output once, in the forward pass over the prompt."""

    def __init__(self, sampler: Sampler, context: ImageContext, start: int) -> None:
        self.sampler = sampler
        self.context: ImageContext | None = context
        self.start = start

    def __call__(self, module: nn.Module, inputs: Any, output: Tensor) -> Tensor | None:
        context = self.context
        if context is None:
            return None  # a decoding step
        self.context = None
        end = self.start + len(context.tokens)
        tokens = output[:, self.start : end].to(context.tokens.device)
        updated = apply_sampler(self.sampler, tokens, context).to(output.device)
        return torch.cat([output[:, : self.start], updated, output[:, end:]], dim=1)


def apply_sampler(sampler: Sampler, tokens: Tensor, context: ImageContext) -> Tensor:
    """Update the image tokens by one sampler; newline tokens stay unchanged.

    Args:
        sampler: One of the samplers inside the language model.
        tokens: Image tokens with newlines, [1, rows * (columns + 1), width].
        context: The image, for its windows.

    Returns:
        The updated tokens, in the same shape.
    """
    rows, columns = context.grid
    grid = tokens[0].unflatten(0, (rows, columns + 1))  # rows, columns + 1, width
    cells, newlines = grid[:, :columns], grid[:, columns:]
    updated = sampler(
        cells.flatten(0, 1)[:, None], context.summary, context.windows, context.visible
    )  # rows * columns, 1, width
    return torch.cat([updated.view_as(cells), newlines], dim=1).flatten(0, 1)[None]
