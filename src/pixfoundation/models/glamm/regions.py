"""GLaMM's region encoder: a box on the image becomes one state of the language model.

Four levels of CLIP features are enlarged to four scales, mixed, and pooled inside the box. The
modules have the names of the published tensors.

Source: GLaMM (arXiv 2311.03356), after GPT4ROI (arXiv 2307.03601).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec

import torch
import torch.nn.functional as F
from torch import Tensor, nn

PATCH = 14  # side of CLIP's patches in pixels, whatever the tower: the strides derive from it
BOX_FRAME = 224  # scale of boxes in pixels, as in training, although the tower sees 336
NORM_GROUPS = 64
SAMPLES = 2  # points per axis in every bin of the pooling


class RegionEncoder(nn.Module):
    """Turns boxes and CLIP features into states of the language model."""

    def __init__(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        """Build the modules.

        Args:
            shapes: Shapes of the stored tensors, by their names in this module.
        """
        super().__init__()
        self.mlvl_fuse = LevelFusion(shapes)
        self.roi_align = RegionPooling(shapes)

    @property
    def levels(self) -> int:
        """Number of levels of CLIP features that it takes."""
        return len(self.mlvl_fuse.input_conv)

    def forward(self, features: Sequence[Tensor], boxes: Tensor) -> Tensor:
        """Encode the boxes of one image.

        Args:
            features: For each level [1, patches, width], the lowest layer first.
            boxes: [boxes, 4], xyxy as shares (0..1) of the original image's sides.

        Returns:
            [boxes, width of the language model].
        """
        weight = self.roi_align.updims.weight
        grid = math.isqrt(features[0].shape[1])
        scaled = []
        for level, feature in enumerate(features):
            planes = feature.transpose(1, 2).unflatten(2, (grid, grid))  # (1, width, g, g)
            side = grid * 2 ** (self.levels - 1 - level)
            scaled.append(_resize(planes, side).to(weight))
        return self.roi_align(self.mlvl_fuse(scaled), boxes.to(weight))


class LevelFusion(nn.Module):
    """Mixes levels: half of a level's channels are its own, a quarter come from each neighbour."""

    def __init__(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        super().__init__()
        width, inputs = shapes["mlvl_fuse.input_conv.0.weight"][:2]
        levels = _count(shapes, "mlvl_fuse.input_conv.{}.weight")
        rounds = _count(shapes, "mlvl_fuse.fuse_convs.{}.conv.weight")
        self.input_conv = nn.ModuleList(nn.Conv2d(inputs, width, 1) for _ in range(levels))
        self.fuse_convs = nn.ModuleList(FusionRound(width) for _ in range(rounds))
        self.borrowed = width // 4

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Return the mixed levels."""
        mixed = [
            conv(torch.cat([feature, _coordinates(feature)], dim=1))
            for conv, feature in zip(self.input_conv, features, strict=True)
        ]  # each (1, width, side, side)
        for convolve in self.fuse_convs:
            mixed = [convolve(self._with_neighbours(mixed, level)) for level in range(len(mixed))]
        return mixed

    def _with_neighbours(self, features: Sequence[Tensor], level: int) -> Tensor:
        """Join own channels, the next level's last quarter and the previous level's third one."""
        own = features[level]
        after = features[min(level + 1, len(features) - 1)]
        before = features[max(level - 1, 0)]
        first = own.shape[1] - 2 * self.borrowed  # number of own channels
        side = own.shape[-1]
        from_after = _resize(after[:, first + self.borrowed :], side).to(own)
        from_before = _resize(before[:, first : first + self.borrowed], side).to(own)
        return torch.cat([own[:, :first], from_after, from_before], dim=1)


class FusionRound(nn.Module):
    """One convolution with its normalisation, shared by all levels."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.gn = nn.GroupNorm(NORM_GROUPS, width)

    def forward(self, feature: Tensor) -> Tensor:
        """Return a tensor of the same shape."""
        return F.relu(self.gn(self.conv(feature)))


class RegionPooling(nn.Module):
    """Pools each level inside each box, sums the levels, and adds the position of the box."""

    def __init__(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        super().__init__()
        width = shapes["roi_align.pconvs.0.weight"][0]
        middle, flat = shapes["roi_align.flatten_linear.weight"]
        hidden = shapes["roi_align.pos_embedd.0.weight"][0]
        levels = _count(shapes, "roi_align.pconvs.{}.weight")
        self.size = math.isqrt(flat // width)
        self.pconvs = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in range(levels))
        self.pos_embedd = nn.Sequential(
            nn.Linear(4, hidden),
            nn.ReLU(),
            nn.LayerNorm(hidden),
            nn.Linear(hidden, middle),
            nn.ReLU(),
            nn.LayerNorm(middle),
        )
        self.flatten_linear = nn.Linear(flat, middle)
        self.updims = nn.Linear(middle, shapes["roi_align.updims.weight"][0])

    def forward(self, features: Sequence[Tensor], boxes: Tensor) -> Tensor:
        """Return [boxes, width of the language model]."""
        pixels = (boxes * BOX_FRAME).float()
        pooled = []
        for level, (conv, feature) in enumerate(zip(self.pconvs, features, strict=True)):
            scale = 2 ** (len(features) - 1 - level) / PATCH
            bins = roi_align(feature.float(), pixels, self.size, scale)
            pooled.append(conv(bins.to(feature)))  # (boxes, width, size, size)
        flat = F.relu(sum(pooled[1:], pooled[0])).flatten(1)
        return self.updims(self.flatten_linear(flat) + self.pos_embedd(boxes))


def roi_align(feature: Tensor, boxes: Tensor, size: int, scale: float) -> Tensor:
    """Pool boxes of one image to a square, by torchvision if it is installed.

    Args:
        feature: float32 [1, width, height, width].
        boxes: float32 [boxes, 4], xyxy in pixels.
        size: Number of bins per axis.
        scale: Factor from pixels to cells of the feature.

    Returns:
        float32 [boxes, width, size, size].
    """
    if find_spec("torchvision") is None:
        return roi_align_in_torch(feature, boxes, size, scale)
    pool = import_module("torchvision.ops").roi_align
    return pool(feature, [boxes], size, scale, sampling_ratio=SAMPLES, aligned=True)


def roi_align_in_torch(feature: Tensor, boxes: Tensor, size: int, scale: float) -> Tensor:
    """Do the same as `roi_align` in plain torch.

    Bilinear sampling and the mean over a bin both separate into the two axes, so a box is two
    small matrices around the feature.
    """
    cells = boxes * scale - 0.5  # 'aligned': cell centres are at half numbers
    columns = _bins(cells[:, 0], cells[:, 2], size, feature.shape[3])  # (boxes, size, width)
    rows = _bins(cells[:, 1], cells[:, 3], size, feature.shape[2])  # (boxes, size, height)
    return torch.einsum("byh,chw,bxw->bcyx", rows, feature[0], columns)


def _bins(start: Tensor, end: Tensor, size: int, cells: int) -> Tensor:
    """Return [boxes, size, cells]: the weight of each cell in each bin along one axis."""
    steps = torch.arange(size * SAMPLES, device=start.device) + 0.5
    width = (end - start)[:, None] / (size * SAMPLES)
    positions = start[:, None] + steps * width  # (boxes, size * samples)
    on_feature = (positions >= -1) & (positions <= cells)
    positions = positions.clamp(0, cells - 1)
    low = positions.floor()
    high = (low + 1).clamp(max=cells - 1)
    share = positions - low
    weights = positions.new_zeros(*positions.shape, cells)
    weights.scatter_add_(2, low.long()[..., None], ((1 - share) * on_feature)[..., None])
    weights.scatter_add_(2, high.long()[..., None], (share * on_feature)[..., None])
    return weights.unflatten(1, (size, SAMPLES)).mean(2)


def _resize(planes: Tensor, side: int) -> Tensor:
    return F.interpolate(planes.float(), (side, side), mode="bilinear", align_corners=True)


def _coordinates(feature: Tensor) -> Tensor:
    """Return [1, 2, height, width]: x, then y, from -1 to 1."""
    height, width = feature.shape[-2:]
    x = torch.linspace(-1, 1, width, device=feature.device).expand(height, width)
    y = torch.linspace(-1, 1, height, device=feature.device)[:, None].expand(height, width)
    return torch.stack([x, y])[None].to(feature)


def _count(shapes: Mapping[str, tuple[int, ...]], pattern: str) -> int:
    number = 0
    while pattern.format(number) in shapes:
        number += 1
    return number
