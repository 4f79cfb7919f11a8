"""The loss of tiny-sam: three masks of a point against what the point means."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from recipes.point_masks import BACKGROUND, PART


def point_loss(
    logits: Tensor, scores: Tensor, under: Tensor, whole: Tensor, part: Tensor
) -> dict[str, Tensor]:
    """Compare three masks a point with what the point means.

    Args:
        logits: [B, P, 3, h, w].
        scores: [B, P, 3], the predicted IoU.
        under: [B, P]; what lies under the point (see `point_masks`).
        whole: [B, P, h, w], share of each mask pixel covered by the thing (or background), 0..1.
        part: [B, P, h, w], the same of the part (or of the thing, where there is none).

    Returns:
        'masks' and 'scores' to be added up as the loss, and detached IoUs: 'whole' and 'part' of
        the thing and the part under the points, 'background'.
    """
    targets = torch.stack((whole, part, part), dim=2)  # (B, P, 3, h, w)
    losses = _mask_losses(logits, targets)  # (B, P, 3)
    guesses = losses[..., 1:]
    best = guesses.min(dim=-1).values + 0.1 * guesses.mean(dim=-1)
    on_part, on_nothing = under == PART, under == BACKGROUND
    # What is under the point counts fully, the other reading of the point at 0.7.
    per_point = torch.where(on_part, 0.7 * losses[..., 0] + best, losses[..., 0] + 0.7 * best)
    # No mask of a background point may be a thing, so all three learn there.
    per_point = torch.where(on_nothing, losses.mean(dim=-1), per_point)
    with torch.no_grad():
        predicted = logits > 0
        iou_whole = _iou(predicted, (whole > 0.5)[:, :, None])  # (B, P, 3)
        iou_part = _iou(predicted, (part > 0.5)[:, :, None])
        of_things, of_parts = iou_whole[..., 0], iou_part[..., 1:].max(dim=-1).values
    return {
        "masks": per_point.mean(),
        "scores": F.mse_loss(scores, torch.maximum(iou_whole, iou_part)),
        "whole": of_things[~on_nothing].mean(),
        "part": of_parts[on_part].mean(),
        "background": of_things[on_nothing].mean(),
    }


def _mask_losses(logits: Tensor, targets: Tensor) -> Tensor:
    """Return dice + cross-entropy of each mask; targets may be fractions.

    The cross-entropy is per pixel of the target, not of the image: a mean over the image, as of
    large photographs' objects, says next to nothing about a part of one percent of it.
    """
    entropy = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    probabilities = logits.sigmoid()
    area = targets.sum(dim=(-2, -1))
    overlap = (probabilities * targets).sum(dim=(-2, -1))
    dice = 1 - (2 * overlap + 1) / (probabilities.sum(dim=(-2, -1)) + area + 1)
    return dice + entropy.sum(dim=(-2, -1)) / (area + 10)


def _iou(predicted: Tensor, target: Tensor) -> Tensor:
    shared = (predicted & target).sum(dim=(-2, -1))
    return shared / (predicted | target).sum(dim=(-2, -1)).clamp(min=1)
