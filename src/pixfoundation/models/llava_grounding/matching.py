"""Selects the queries that show a phrase, and merges their masks.

Source: the inference path of UX-Decoder/LLaVA-Grounding and the wrapper of MSiam/PixFoundation.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

PUBLISHED_THRESHOLD = 0.05  # in PixFoundation; the authors' own evaluation uses 0.2


class Match(NamedTuple):
    """The queries that show one phrase.

    Without any query, `boxes` and `masks` hold one row of zeros, as published.

    Attributes:
        queries: int64 [K]: the queries over the threshold, in ascending order; may be empty.
        scores: float [K]: their share of the phrase's softmax.
        boxes: float [max(K, 1), 4]: (x0, y0, x1, y1) in 0..1 of the padded square.
        masks: bool [max(K, 1), h, w] on the padded square.
    """

    queries: Tensor
    scores: Tensor
    boxes: Tensor
    masks: Tensor


def match(
    logits: Tensor, boxes: Tensor, masks: Tensor, threshold: float = PUBLISHED_THRESHOLD
) -> list[Match]:
    """Pick the queries of every phrase.

    A query belongs to a phrase if its share of the softmax over all queries is above the
    threshold: at 0.05 these are between 0 and 19 queries. If no query qualifies, the best one is
    not used instead.

    Args:
        logits: float [Q, G] (or [1, Q, G]).
        boxes: float [Q, 4] (or [1, Q, 4]), centre and size.
        masks: float [Q, h, w] (or [1, Q, h, w]), logits; thresholded at 0 before any resizing.
        threshold: Between 0 and 1.

    Returns:
        One match per phrase, in order.
    """
    logits = logits.reshape(-1, logits.shape[-1])
    boxes = _corners(boxes.reshape(-1, 4))
    foreground = masks.reshape(-1, *masks.shape[-2:]) > 0
    matches = []
    for shares in logits.softmax(0).T:
        queries = torch.nonzero(shares > threshold).flatten()
        if len(queries):
            shown = boxes[queries], foreground[queries]
        else:
            shown = boxes.new_zeros(1, 4), torch.zeros_like(foreground[:1])
        matches.append(Match(queries, shares[queries], *shown))
    return matches


def merge(masks: Iterable[Tensor], width: int, height: int) -> Tensor:
    """Unite masks on the padded square into one mask of the image.

    Args:
        masks: Stacks bool [K, h, w], one per phrase, or masks [h, w]; without any, the result is
            an empty mask.
        width: Width of the original image in pixels.
        height: Height of the original image in pixels.

    Returns:
        bool [height, width], on the CPU.
    """
    united = torch.zeros(height, width, dtype=torch.bool)
    side = max(width, height)
    for stack in masks:
        layers = stack.reshape(1, -1, *stack.shape[-2:]).float()
        square = F.interpolate(layers, size=(side, side), mode="nearest")[0]
        united |= (square[:, :height, :width].sum(0) > 0.5).cpu()  # padding is right and below
    return united


def _corners(boxes: Tensor) -> Tensor:
    center, size = boxes.split(2, dim=-1)
    return torch.cat([center - size / 2, center + size / 2], -1)
