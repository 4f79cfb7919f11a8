"""The four vision encoders, on transformers' classes, numerically as Cambrian-1 was trained.

Differences between libraries are handled here: SigLIP's GELU is exact and its query, key and value
are stored fused; ConvNeXt's LayerNorm has the epsilon of its trunk (1e-5); DINOv2's positions are
resampled by the rule of transformers 4.37, which later versions changed.
"""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pixfoundation.errors import CheckpointError
from pixfoundation.failures import in_short
from pixfoundation.models.cambrian import pixels
from pixfoundation.models.cambrian.aggregator import resample
from pixfoundation.models.cambrian.pixels import Preprocessing
from pixfoundation.models.cambrian.sizes import CONVNEXT_RESOLUTION, TowerKind, TowerSpec
from pixfoundation.models.cambrian.tower_files import processor_arguments
from pixfoundation.models.cambrian.trunks import load_convnext, load_siglip
from pixfoundation.models.common.checkpoints import Checkpoint
from pixfoundation.models.common.clip_tower import IGNORABLE as CLIP_UNUSED

_CLIP_TEXT_SIDE = "|".join(CLIP_UNUSED)


class VisionTower(nn.Module, ABC):
    """One vision encoder.

    Attributes:
        spec: The encoder, and the sizes that the checkpoint expects.
        preprocessing: Preprocessing of its images.
        width: Channels of its features.
        folder: Folder of its weights.
    """

    folder: Path

    def __init__(
        self, spec: TowerSpec, encoder: nn.Module, preprocessing: Preprocessing, width: int
    ) -> None:
        super().__init__()
        self.spec = spec
        self.encoder: Any = encoder  # a class of transformers
        self.preprocessing = preprocessing
        self.width = width

    def forward(self, pixel_values: Tensor) -> Tensor:
        """Return the features [1, side * side, width] of [1, 3, input side, input side]."""
        return resample(self.features(pixel_values), self.spec.side)

    @abstractmethod
    def features(self, pixel_values: Tensor) -> Tensor:
        """Return the features in the encoder's resolution, [1, cells, width]."""


class Siglip(VisionTower):
    """SigLIP: tokens after the final norm, before the pooling head."""

    def features(self, pixel_values: Tensor) -> Tensor:
        """Return [1, cells, width]."""
        return self.encoder(pixel_values=pixel_values).last_hidden_state


class Clip(VisionTower):
    """CLIP: tokens of an inner layer, without the class token."""

    layer = -2

    def features(self, pixel_values: Tensor) -> Tensor:
        """Return [1, cells, width]."""
        states = self.encoder(pixel_values=pixel_values, output_hidden_states=True).hidden_states
        return states[self.layer][:, 1:]


class Dinov2(VisionTower):
    """DINOv2: tokens after the final norm, without the class token."""

    def features(self, pixel_values: Tensor) -> Tensor:
        """Return [1, cells, width]."""
        return self.encoder(pixel_values=pixel_values).last_hidden_state[:, 1:]


class ConvNext(VisionTower):
    """ConvNeXt: the outputs of the stages, resampled to one grid and concatenated."""

    def features(self, pixel_values: Tensor) -> Tensor:
        """Return [1, side * side, width], all stages on the grid of the specification.

        The stages' maps have channels-last strides; only norms over channels read them, which are
        exact in any layout.
        """
        hidden = self.encoder.get_submodule("embeddings")(pixel_values)
        outputs = []
        for stage in self.encoder.get_submodule("encoder.stages").children():
            hidden = stage(hidden)  # 1, channels, height, width
            outputs.append(hidden)
        selected = outputs if self.spec.stages else outputs[-1:]
        cells = [resample(x.flatten(2).transpose(1, 2), self.spec.side) for x in selected]
        return torch.cat(cells, dim=-1)


def load_tower(
    spec: TowerSpec,
    folder: Path,
    *,
    dtype: torch.dtype,
    device: torch.device | str = "cpu",
    clip_layer: int = -2,
) -> VisionTower:
    """Load one encoder, in evaluation mode.

    Args:
        spec: The encoder.
        folder: Folder of its weights, from `find_tower`.
        dtype: Precision of weights and features.
        device: Device of the encoder.
        clip_layer: Index of the hidden state that is taken from CLIP.

    Raises:
        CheckpointError: If the files are damaged or incomplete, or if the encoder does not have the
            width that the checkpoint expects.
    """
    if spec.kind is TowerKind.SIGLIP:
        tower = _load_siglip(spec, folder, dtype)
    elif spec.kind is TowerKind.CONVNEXT:
        tower = _load_convnext(spec, folder, dtype)
    elif spec.kind is TowerKind.CLIP:
        tower = _load_clip(spec, folder, dtype)
        tower.layer = clip_layer
    else:
        tower = _load_dinov2(spec, folder, dtype)
    if tower.width != spec.width:
        raise CheckpointError(
            f"The vision tower in {folder} gives {tower.width} channels, but the checkpoint's "
            f"model.mm_projector_aux_{spec.index} takes {spec.width}. Replace it by {spec.hub}."
        )
    tower.folder = folder
    return tower.eval().requires_grad_(False).to(device)


def _load_siglip(spec: TowerSpec, folder: Path, dtype: torch.dtype) -> Siglip:
    trunk = load_siglip(folder, dtype)
    mean, deviation = trunk.mean or pixels.HALF, trunk.deviation or pixels.HALF
    preprocessing = Preprocessing(trunk.image_side, pixels.CLIP_MEAN, mean, deviation)
    return Siglip(spec, trunk.encoder, preprocessing, trunk.widths[0])


def _load_convnext(spec: TowerSpec, folder: Path, dtype: torch.dtype) -> ConvNext:
    trunk = load_convnext(folder, dtype)
    mean, deviation = trunk.mean or pixels.CLIP_MEAN, trunk.deviation or pixels.CLIP_STD
    side = spec.resolution or CONVNEXT_RESOLUTION
    preprocessing = Preprocessing(side, pixels.CLIP_MEAN, mean, deviation)
    width = sum(trunk.widths) if spec.stages else trunk.widths[-1]
    return ConvNext(spec, trunk.encoder, preprocessing, width)


def _load_clip(spec: TowerSpec, folder: Path, dtype: torch.dtype) -> Clip:
    from transformers import CLIPVisionModel

    encoder = _from_pretrained(CLIPVisionModel, folder, dtype, ignorable=_CLIP_TEXT_SIDE)
    arguments = processor_arguments(folder)
    mean = arguments.get("image_mean", pixels.CLIP_MEAN)
    deviation = arguments.get("image_std", pixels.CLIP_STD)
    side = encoder.config.image_size
    return Clip(
        spec, encoder, Preprocessing(side, mean, mean, deviation), encoder.config.hidden_size
    )


def _load_dinov2(spec: TowerSpec, folder: Path, dtype: torch.dtype) -> Dinov2:
    from transformers import Dinov2Model

    encoder = _from_pretrained(Dinov2Model, folder, dtype)
    side = spec.resolution or encoder.config.image_size
    positions = encoder.embeddings.position_embeddings
    encoder.embeddings.position_embeddings = nn.Parameter(
        resample_positions(positions.detach(), side // encoder.config.patch_size)
    )
    arguments = processor_arguments(folder)
    mean = arguments.get("image_mean", pixels.IMAGENET_MEAN)
    deviation = arguments.get("image_std", pixels.IMAGENET_STD)
    width = encoder.config.hidden_size
    return Dinov2(spec, encoder, Preprocessing(side, mean, mean, deviation), width)


def resample_positions(positions: Tensor, side: int) -> Tensor:
    """Resample DINOv2's position embeddings to another grid as transformers 4.37 did.

    That version enlarged by the factor (side + 0.1) / old side, later versions to the exact size.
    The factor moves the sampling points, and Cambrian was trained with these.

    Args:
        positions: Embeddings [1, 1 + old side * old side, width], the class token's first.
        side: Cells along a side of the result.

    Returns:
        The embeddings, [1, 1 + side * side, width].
    """
    old = math.isqrt(positions.shape[1] - 1)
    if old == side:
        return positions
    grid = positions[:, 1:].unflatten(1, (old, old)).permute(0, 3, 1, 2).float()
    factor = (side + 0.1) / old
    moved = F.interpolate(grid, scale_factor=(factor, factor), mode="bicubic", align_corners=False)
    cells = moved.to(positions.dtype).flatten(2).transpose(1, 2)
    return torch.cat([positions[:, :1], cells], dim=1)


def _from_pretrained(
    kind: Any, folder: Path, dtype: torch.dtype, ignorable: str | None = None
) -> Any:
    """Load a transformers folder; every key must have its place."""
    from transformers.utils import logging

    Checkpoint.open(folder)  # raises if a file is missing or truncated
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()  # keys are checked below
    try:
        model, account = kind.from_pretrained(folder, dtype=dtype, output_loading_info=True)
    except (OSError, RuntimeError, ValueError) as error:
        raise CheckpointError(
            f"{folder} cannot be loaded as {kind.__name__}: {in_short(error)}"
        ) from error
    finally:
        logging.set_verbosity(verbosity)
    missing = sorted(account["missing_keys"])
    unused = sorted(
        key
        for key in account["unexpected_keys"]
        if ignorable is None or not re.search(ignorable, key)
    )
    if missing or unused:
        raise CheckpointError(
            f"{folder} does not fit {kind.__name__}: missing keys {missing[:4]}, unknown keys "
            f"{unused[:4]}. Download the complete folder."
        )
    return model
