"""From the backbone's four maps to four encoded maps and the features of masks.

Deformable attention runs in plain torch, as transformers has it; no compiled operator is needed.
Source: OpenSeeD / MaskDINO as in UX-Decoder/LLaVA-Grounding, `openseed/body/encoder`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import DeformableDetrConfig
from transformers.models.deformable_detr.modeling_deformable_detr import DeformableDetrEncoder
from transformers.models.mask2former.modeling_mask2former import Mask2FormerSinePositionEmbedding

from pixfoundation.models.llava_grounding.sizes import LEVELS, POINTS, SegmenterSizes

_GROUPS = 32  # groups of every group norm


class EncodedPixels(NamedTuple):
    """An image as the decoder takes it.

    Attributes:
        mask_features: float [1, mask width, H / 4, W / 4].
        maps: Four maps [1, width, h, w] from fine (stride 8) to coarse (stride 64), views with
            channels-last strides; no norm over a whole map follows.
    """

    mask_features: Tensor
    maps: tuple[Tensor, ...]


class PixelEncoder(nn.Module):
    """Six layers of deformable self-attention over four scales, then one step up to stride 4."""

    def __init__(self, sizes: SegmenterSizes) -> None:
        super().__init__()
        width = sizes.width
        res2, res3, res4, res5 = (sizes.embed * 2**stage for stage in range(4))
        self.projections = nn.ModuleList(
            [
                *(_convolution(channels, width, kernel=1) for channels in (res3, res4, res5)),
                _convolution(res5, width, kernel=3, stride=2),
            ]
        )
        self.positions = Mask2FormerSinePositionEmbedding(width // 2, normalize=True)
        self.level_embed = nn.Parameter(torch.zeros(LEVELS, width))
        config = DeformableDetrConfig(
            d_model=width,
            encoder_layers=sizes.encoder_layers,
            encoder_attention_heads=sizes.encoder_heads,
            encoder_ffn_dim=sizes.encoder_mlp,
            encoder_n_points=POINTS,
            num_feature_levels=LEVELS,
            dropout=0.0,
        )
        self.encoder = DeformableDetrEncoder(config)
        self.lateral = _convolution(res2, width, kernel=1, bias=False)
        self.output = _convolution(width, width, kernel=3, bias=False)
        self.mask_features = nn.Conv2d(width, sizes.mask_width, kernel_size=1)

    def forward(self, features: Sequence[Tensor]) -> EncodedPixels:
        """Encode one image.

        Args:
            features: res2 to res5: float [1, C, h, w] at strides 4, 8, 16 and 32, contiguous:
                group norm on the CPU loses precision with channels-last strides.
        """
        res2, *rest = features
        maps = [project(f) for project, f in zip(self.projections, [*rest, rest[-1]], strict=True)]
        shapes = [(m.shape[2], m.shape[3]) for m in maps]
        positions = [
            self.positions(m.shape, m.device, m.dtype).flatten(2).transpose(1, 2) + level
            for m, level in zip(maps, self.level_embed, strict=True)
        ]
        sizes = torch.tensor(shapes, device=res2.device)
        cells = sizes.prod(1)
        encoded = self.encoder(
            inputs_embeds=torch.cat([m.flatten(2).transpose(1, 2) for m in maps], 1),  # [1, S, C]
            attention_mask=None,  # the padding of the image is not masked, as published
            spatial_position_embeddings=torch.cat(positions, 1),
            spatial_shapes=sizes,
            spatial_shapes_list=shapes,
            level_start_index=cells.cumsum(0) - cells,
            valid_ratios=res2.new_ones(1, LEVELS, 2),
        ).last_hidden_state
        pieces = encoded.split([h * w for h, w in shapes], dim=1)
        maps = [
            piece.transpose(1, 2).unflatten(2, shape)
            for piece, shape in zip(pieces, shapes, strict=True)
        ]
        raised = F.interpolate(maps[0], res2.shape[-2:], mode="bilinear", align_corners=False)
        fine = F.relu(self.output(self.lateral(res2) + raised))  # [1, C, H / 4, W / 4]
        return EncodedPixels(self.mask_features(fine), tuple(maps))


def _convolution(
    inputs: int, outputs: int, kernel: int, stride: int = 1, bias: bool = True
) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=bias),
        nn.GroupNorm(_GROUPS, outputs),
    )
