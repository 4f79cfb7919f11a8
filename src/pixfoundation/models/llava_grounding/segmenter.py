"""OpenSeeD, the segmenter of LLaVA-Grounding: Swin, pixel encoder and query decoder in one."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import SwinBackbone, SwinConfig

from pixfoundation.models.llava_grounding.pixel_encoder import EncodedPixels, PixelEncoder
from pixfoundation.models.llava_grounding.query_decoder import Queries, QueryDecoder
from pixfoundation.models.llava_grounding.sizes import SegmenterSizes

PIXEL_MEAN = (123.675, 116.28, 103.53)
PIXEL_STD = (58.395, 57.12, 57.375)
_STAGES = ["stage1", "stage2", "stage3", "stage4"]
_DIVISOR = 32  # sides are filled up with zeros to multiples of the coarsest stage's stride
_BEYOND_NORMALISED = 10.0  # normalised pixels lie between -2.2 and 2.7


class Segmenter(nn.Module):
    """Finds the phrases of one answer in one image. Always runs in float32."""

    def __init__(self, sizes: SegmenterSizes) -> None:
        super().__init__()
        config = SwinConfig(
            patch_size=sizes.patch,
            embed_dim=sizes.embed,
            depths=sizes.depths,
            num_heads=sizes.swin_heads,
            window_size=sizes.window,
            mlp_ratio=sizes.mlp_ratio,
            out_features=_STAGES,  # pyright: ignore[reportCallIssue] - of the base class
        )
        self.backbone = SwinBackbone(config)
        self.backbone.swin.register_module("layernorm", nn.Identity())  # each stage has its own
        self.pixel_encoder = PixelEncoder(sizes)
        self.query_decoder = QueryDecoder(sizes)

    @property
    def device(self) -> torch.device:
        """Device of the segmenter, which is never divided between devices."""
        return self.query_decoder.logit_scale.device

    def encode(self, pixels: Tensor) -> EncodedPixels:
        """Encode an image, once for all answers about it.

        Args:
            pixels: [3, S, S] or [1, 3, S, S], see `normalise`.
        """
        image = normalise(pixels.reshape(-1, *pixels.shape[-3:]))  # [1, 3, S, S]
        height, width = image.shape[-2:]
        image = F.pad(image, (0, -width % _DIVISOR, 0, -height % _DIVISOR))
        return self.pixel_encoder(self.backbone(image).feature_maps)

    def find(self, encoded: EncodedPixels, text_states: Tensor) -> Queries:
        """Find the phrases of one answer.

        Args:
            encoded: From `encode`.
            text_states: [G, D] or [1, G, D], G at least 1; as they leave the language model.
        """
        return self.query_decoder(encoded, text_states.float().reshape(-1, text_states.shape[-1]))


def normalise(pixels: Tensor) -> Tensor:
    """Normalise RGB values for the segmenter.

    Args:
        pixels: [..., 3, H, W]. Integers are raw values in 0..255. Floats are taken as raw if one of
            them is larger than any normalised pixel can be, else as already normalised.

    Returns:
        float32, normalised.
    """
    if pixels.is_floating_point() and not (pixels.abs() > _BEYOND_NORMALISED).any():
        return pixels.float()
    mean, std = (
        torch.tensor(values, device=pixels.device)[:, None, None]
        for values in (PIXEL_MEAN, PIXEL_STD)
    )
    return (pixels.float() - mean) / std
