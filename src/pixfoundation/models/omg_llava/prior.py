"""The perception prior: which objects lie under each visual token, and which are worth a token.

Every cell of the coarse grid (one a visual token) holds a mixture of the object queries, weighted
by how surely each query covers the cell. A query is valid if it wins at least one cell.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Prior(NamedTuple):
    """The prior of one image.

    Attributes:
        mixture: The queries' mean under each cell, float [cells, D], cells row by row.
        valid: Which queries win a cell, bool [Q].
    """

    mixture: Tensor
    valid: Tensor


def perception_prior(
    class_logits: Tensor,
    masks: Tensor,
    queries: Tensor,
    image_size: tuple[int, int],
    grid: tuple[int, int],
) -> Prior:
    """Mixes the queries into the cells of the grid.

    A query covers a cell with the probability of its mask there, times a half to one by how
    surely it is an object. The weights of the mixture are the softmax of these coverages over the
    queries, without a temperature, hence nearly uniform: so it was trained.

    Args:
        class_logits: float [Q, classes + 1]; the last is 'no object'.
        masks: Mask logits, float [Q, h, w].
        queries: What is mixed, float [Q, D].
        image_size: (height, width) of the network's input, to which masks are enlarged first.
        grid: (rows, columns) of cells.

    Returns:
        The mixture of every cell, and the valid queries.
    """
    surety = class_logits.softmax(-1)[:, :-1].amax(-1)  # [Q]
    coverage = sample_probabilities(masks, image_size, grid) * (0.5 + 0.5 * surety)[:, None, None]
    coverage = coverage.flatten(1)  # [Q, cells]
    winners = coverage.argmax(0)
    valid = torch.zeros(len(queries), dtype=torch.bool, device=queries.device)
    valid[winners] = True
    return Prior(coverage.softmax(0).T @ queries, valid)


def sample_probabilities(
    masks: Tensor, image_size: tuple[int, int], grid: tuple[int, int]
) -> Tensor:
    """Enlarges mask logits to the image, takes the sigmoid, and shrinks the result to the grid.

    Both resizings are bilinear without antialiasing, so a cell depends on at most two enlarged
    rows and columns: only those are made. The published code enlarges everything, which takes
    1.3 GB at 300 queries of 1024 x 1024 pixels.

    Args:
        masks: Logits, float [Q, h, w].
        image_size: (height, width) of the enlarged masks.
        grid: (rows, columns) of the result.

    Returns:
        Probabilities, float [Q, rows, columns].
    """
    (height, width), (rows, columns) = image_size, grid
    vertical, down = _two_step(rows, height, masks.shape[1], masks)
    horizontal, across = _two_step(columns, width, masks.shape[2], masks)
    sampled = (vertical @ masks @ horizontal.T).sigmoid()  # [Q, 2 rows, 2 columns]
    sampled = sampled.view(-1, rows, 2, columns, 2)
    return torch.einsum("qricj,ri,cj->qrc", sampled, down, across)


def _two_step(cells: int, enlarged: int, original: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """Along one axis: which enlarged positions each cell reads, and how it weighs them.

    Returns:
        A matrix [2 cells, original] that enlarges at those positions only, and the weights
        [cells, 2] of the second step.
    """
    low, high, weight = _bilinear(cells, enlarged)
    positions = torch.stack((low, high), 1).flatten()  # [2 cells]
    below, above, share = (part[positions] for part in _bilinear(enlarged, original))
    matrix = torch.zeros(2 * cells, original)
    index = torch.arange(2 * cells)
    matrix[index, below] += 1 - share
    matrix[index, above] += share
    weights = torch.stack((1 - weight, weight), 1)
    return matrix.to(like), weights.to(like)


def _bilinear(outputs: int, inputs: int) -> tuple[Tensor, Tensor, Tensor]:
    """Where a bilinear resizing (half-pixel centres) reads: lower, upper index, upper's weight."""
    centre = ((torch.arange(outputs) + 0.5) * (inputs / outputs) - 0.5).clamp(min=0)
    low = centre.long().clamp(max=inputs - 1)
    return low, (low + 1).clamp(max=inputs - 1), centre - low


def pixel_shuffle(features: Tensor) -> Tensor:
    """Folds every 2 x 2 block of a map into channels, the place in the block before the channel.

    This is not the order of `torch.nn.functional.pixel_unshuffle`.

    Args:
        features: float [B, C, h, w], even sides.

    Returns:
        float [B, h / 2 * w / 2, 4 C], cells row by row.
    """
    batch, channels, height, width = features.shape
    blocks = features.view(batch, channels, height // 2, 2, width // 2, 2)
    return blocks.permute(0, 2, 4, 3, 5, 1).reshape(batch, -1, 4 * channels)
