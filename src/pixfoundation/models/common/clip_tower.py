"""Loads CLIP's vision tower from the files of CLIP itself."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from pixfoundation.models.common.checkpoints import Checkpoint
from pixfoundation.models.common.loading import load_into

VISION_PREFIX = "vision_model."
"""Prefix of the tower's tensors in a checkpoint that holds CLIP's text side as well."""
IGNORABLE = (
    r"^(text_model|text_projection|visual_projection)\b",  # the text side and the projections
    r"^logit_scale$",
    r"\bposition_ids$",  # computed
)


def rename(key: str) -> str:
    """Return the name in `CLIPVisionModel` of a key of CLIP's own files."""
    return key.removeprefix(VISION_PREFIX)


def load_clip_tower(
    tower: nn.Module,
    checkpoint: Checkpoint,
    dtype: torch.dtype,
    device: Callable[[str], torch.device | str],
) -> None:
    """Fill a `CLIPVisionModel` from a checkpoint of CLIP, with or without its text side.

    Args:
        tower: Usually built inside `empty_weights`.
        checkpoint: CLIP's own files.
        dtype: Floating-point type of the weights.
        device: Gives the device of a tensor by its name in the tower.

    Raises:
        CheckpointError: If the tensors do not fit the tower.
    """
    load_into(tower, checkpoint, rename=rename, ignorable=IGNORABLE, dtype=dtype, device=device)
