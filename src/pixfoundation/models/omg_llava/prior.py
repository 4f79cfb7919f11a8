"""The perception prior: the objects under each visual token, and the objects that get a token.

Every cell of the coarse grid, one per visual token, holds a mixture of the object queries, weighted
by the probability that each query covers the cell. A query is valid if its weight is the largest in
at least one cell.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Prior(NamedTuple):
    """The prior of one image.

    Attributes:
        mixture: Weighted mean of the queries under each cell, float [cells, D], cells row by row.
        valid: Whether a query has the largest weight in some cell, bool [Q].
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
    """Mix the queries into the cells of the grid.

    A query's coverage of a cell is the probability of its mask in the cell times a factor of 0.5 to
    1, which grows with the probability that it is an object. The weights of the mixture are the
    softmax of the coverages over the queries, without a temperature and hence nearly uniform, as in
    training.

    Args:
        class_logits: Class logits, float [Q, classes + 1]; the last is 'no object'.
        masks: Mask logits, float [Q, h, w].
        queries: Queries that are mixed, float [Q, D].
        image_size: (height, width) of the network's input, to which masks are enlarged first.
        grid: (rows, columns) of cells.

    Returns:
        The mixture under every cell, and the valid queries.
    """
    certainty = class_logits.softmax(-1)[:, :-1].amax(-1)  # [Q]
    factor = (0.5 + 0.5 * certainty)[:, None, None]
    coverage = (sample_probabilities(masks, image_size, grid) * factor).flatten(1)  # [Q, cells]
    winners = coverage.argmax(0)
    valid = torch.zeros(len(queries), dtype=torch.bool, device=queries.device)
    valid[winners] = True
    return Prior(coverage.softmax(0).T @ queries, valid)


def sample_probabilities(
    masks: Tensor, image_size: tuple[int, int], grid: tuple[int, int]
) -> Tensor:
    """Enlarge mask logits to the image, take the sigmoid, and shrink the result to the grid.

    Both resizings are bilinear without antialiasing, so a cell depends on at most two enlarged
    rows and columns, and only these are computed. The published code enlarges the masks in full,
    which takes 1.3 GB at 300 queries of 1024 x 1024 pixels.

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
    """Return the two resizing steps along one axis.

    Returns:
        A matrix [2 cells, original] that enlarges only at the positions that the cells read, and
        the weights [cells, 2] of these positions in the second step.
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
    """Return lower index, upper index and upper weight of a resizing with half-pixel centres."""
    centre = ((torch.arange(outputs) + 0.5) * (inputs / outputs) - 0.5).clamp(min=0)
    low = centre.long().clamp(max=inputs - 1)
    return low, (low + 1).clamp(max=inputs - 1), centre - low


def pixel_shuffle(features: Tensor) -> Tensor:
    """Fold every 2 x 2 block of a map into channels, ordered by place in the block, then channel.

    This is not the order of `torch.nn.functional.pixel_unshuffle`.

    Args:
        features: The map, float [B, C, h, w], with even sides.

    Returns:
        float [B, h / 2 * w / 2, 4 C], cells row by row.
    """
    batch, channels, height, width = features.shape
    blocks = features.view(batch, channels, height // 2, 2, width // 2, 2)
    return blocks.permute(0, 2, 4, 3, 5, 1).reshape(batch, -1, 4 * channels)
