"""The two projectors between OMG-Seg and the language model, and the visual tokens.

Module names are those of the checkpoint.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pixfoundation.models.omg_llava.sizes import ProjectorSizes


def _two_layers(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, outputs), nn.GELU(), nn.Linear(outputs, outputs))


class VisualProjector(nn.Module):
    """Projects cells and object queries to visual tokens of the language model."""

    def __init__(self, sizes: ProjectorSizes) -> None:
        super().__init__()
        self.query_proj = nn.Linear(sizes.query, sizes.cell)
        self.model = _two_layers(sizes.cell, sizes.hidden)
        self.model_feat = _two_layers(sizes.cell + sizes.query, sizes.hidden)
        self.seperate_embed = nn.Embedding(1, sizes.hidden)  # the spelling of the checkpoint

    def forward(self, cells: Tensor, mixture: Tensor, queries: Tensor, valid: Tensor) -> Tensor:
        """Return the visual tokens of one image.

        Args:
            cells: Folded trunk features, float [cells, 4 C].
            mixture: The perception prior, float [cells, D].
            queries: Content and position of every query, float [Q, D].
            valid: Whether a query becomes a token, bool [Q].

        Returns:
            float [cells + 1 + valid queries, hidden]: the cells row by row, a separator, the valid
            queries in their order.
        """
        pixel_tokens = self.model_feat(torch.cat((cells, mixture), dim=-1))
        object_tokens = self.model(self.query_proj(queries[valid]))
        return torch.cat((pixel_tokens, self.seperate_embed.weight, object_tokens))


class TextToVision(nn.Module):
    """Projects the state at a [SEG] token to a query of the mask decoder."""

    def __init__(self, sizes: ProjectorSizes) -> None:
        super().__init__()
        self.model = _two_layers(sizes.hidden, sizes.query)

    def forward(self, states: Tensor) -> Tensor:
        """Return content and position, concatenated to [N, 2 C], of states [N, hidden]."""
        return self.model(states)
