"""Random SAM 2 of tiny size, as its authors store it, with the parts that only videos use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class TinySam2:
    """Sizes of a SAM 2.

    Attributes:
        layer_scale: What the layer scale of the memory encoder is called: 'gamma' by the authors,
            'g_weight' by Sa2VA and UniGR, 'weight' by UniPixel.
        is_2_1: Whether it has the further tensors of SAM 2.1.
    """

    width: int = 8
    blocks: tuple[int, ...] = (1, 2, 3, 1)
    heads: tuple[int, ...] = (1, 2, 4, 8)
    windows: tuple[int, ...] = (4, 2, 4, 2)
    global_blocks: tuple[int, ...] = (4, 5)
    background: int = 3
    side: int = 64
    channels: int = 32
    decoder_heads: int = 4
    layer_scale: str = "g_weight"
    is_2_1: bool = False

    @property
    def given(self) -> dict[str, Any]:
        """What no tensor tells, as `sam2_sizes` takes it."""
        return {
            "heads": list(self.heads),
            "windows": list(self.windows),
            "global_blocks": list(self.global_blocks),
            "image_size": self.side,
            "decoder_heads": self.decoder_heads,
        }


def shapes(sizes: TinySam2) -> dict[str, tuple[int, ...]]:
    """Return the shape of every tensor, by original name."""
    c = sizes.channels
    out: dict[str, tuple[int, ...]] = {}

    def linear(name: str, outputs: int, inputs: int) -> None:
        out[f"{name}.weight"], out[f"{name}.bias"] = (outputs, inputs), (outputs,)

    def norm(name: str, width: int) -> None:
        out[f"{name}.weight"] = out[f"{name}.bias"] = (width,)

    def conv(name: str, outputs: int, inputs: int, kernel: int) -> None:
        out[f"{name}.weight"], out[f"{name}.bias"] = (outputs, inputs, kernel, kernel), (outputs,)

    def mlp(name: str, inputs: int, inner: int, outputs: int) -> None:
        linear(f"{name}.layers.0", inner, inputs)
        linear(f"{name}.layers.1", inner, inner)
        linear(f"{name}.layers.2", outputs, inner)

    trunk, width, index = "image_encoder.trunk", sizes.width, 0
    out[f"{trunk}.pos_embed"] = (1, width, sizes.background, sizes.background)
    out[f"{trunk}.pos_embed_window"] = (1, width, sizes.windows[0], sizes.windows[0])
    conv(f"{trunk}.patch_embed.proj", width, 3, 7)
    for stage, count in enumerate(sizes.blocks):
        for place in range(count):
            name = f"{trunk}.blocks.{index}"
            wider = width * 2 if stage and not place else width
            norm(f"{name}.norm1", width)
            linear(f"{name}.attn.qkv", 3 * wider, width)
            linear(f"{name}.attn.proj", wider, wider)
            if wider != width:
                linear(f"{name}.proj", wider, width)
            width = wider
            norm(f"{name}.norm2", width)
            linear(f"{name}.mlp.layers.0", 4 * width, width)
            linear(f"{name}.mlp.layers.1", width, 4 * width)
            index += 1
    for level in range(4):
        conv(f"image_encoder.neck.convs.{level}.conv", c, width >> level, 1)

    prompts = "sam_prompt_encoder"
    out[f"{prompts}.pe_layer.positional_encoding_gaussian_matrix"] = (2, c // 2)
    for kind in range(4):
        out[f"{prompts}.point_embeddings.{kind}.weight"] = (1, c)
    out[f"{prompts}.not_a_point_embed.weight"] = out[f"{prompts}.no_mask_embed.weight"] = (1, c)
    conv(f"{prompts}.mask_downscaling.0", 4, 1, 2)
    norm(f"{prompts}.mask_downscaling.1", 4)
    conv(f"{prompts}.mask_downscaling.3", 16, 4, 2)
    norm(f"{prompts}.mask_downscaling.4", 16)
    conv(f"{prompts}.mask_downscaling.6", c, 16, 1)

    decoder = "sam_mask_decoder"
    for layer in range(2):
        name = f"{decoder}.transformer.layers.{layer}"
        for part, inner in (("self_attn", c), ("cross_attn_token_to_image", c // 2)):
            _attention(linear, f"{name}.{part}", c, inner)
        _attention(linear, f"{name}.cross_attn_image_to_token", c, c // 2)
        for number in range(1, 5):
            norm(f"{name}.norm{number}", c)
        linear(f"{name}.mlp.layers.0", 48, c)
        linear(f"{name}.mlp.layers.1", c, 48)
    _attention(linear, f"{decoder}.transformer.final_attn_token_to_image", c, c // 2)
    norm(f"{decoder}.transformer.norm_final_attn", c)
    for token, count in (("iou_token", 1), ("mask_tokens", 4), ("obj_score_token", 1)):
        out[f"{decoder}.{token}.weight"] = (count, c)
    out[f"{decoder}.output_upscaling.0.weight"] = (c, c // 4, 2, 2)
    out[f"{decoder}.output_upscaling.0.bias"] = (c // 4,)
    norm(f"{decoder}.output_upscaling.1", c // 4)
    out[f"{decoder}.output_upscaling.3.weight"] = (c // 4, c // 8, 2, 2)
    out[f"{decoder}.output_upscaling.3.bias"] = (c // 8,)
    conv(f"{decoder}.conv_s0", c // 8, c, 1)
    conv(f"{decoder}.conv_s1", c // 4, c, 1)
    for number in range(4):
        mlp(f"{decoder}.output_hypernetworks_mlps.{number}", c, c, c // 8)
    mlp(f"{decoder}.iou_prediction_head", c, 40, 4)
    mlp(f"{decoder}.pred_obj_score_head", c, c, 1)

    out["no_mem_embed"] = out["no_mem_pos_enc"] = (1, 1, c)
    out["maskmem_tpos_enc"] = (7, 1, 1, c // 4)
    out["no_obj_ptr"] = (1, c)
    mlp("obj_ptr_proj", c, c, c)
    conv("mask_downsample", 1, 1, 4)
    linear("memory_attention.layers.0.self_attn.q_proj", c, c)
    norm("memory_attention.norm", c)
    out[f"memory_encoder.fuser.layers.0.{sizes.layer_scale}"] = (c,)
    if sizes.is_2_1:
        out["no_obj_embed_spatial"] = (1, c // 4)
        linear("obj_ptr_tpos_proj", c // 4, c)
    return out


def _attention(linear: Any, name: str, width: int, inner: int) -> None:
    for part in "qkv":
        linear(f"{name}.{part}_proj", inner, width)
    linear(f"{name}.out_proj", width, inner)


def tensors(sizes: TinySam2, seed: int = 4) -> dict[str, Tensor]:
    """Return random tensors by original name, large enough that each prompt changes the masks.

    They are small enough that rounding stays below 1e-4 in logits of a few units.
    """
    generator = torch.Generator().manual_seed(seed)
    made = {}
    for name, shape in shapes(sizes).items():
        is_attention = name.startswith("sam_mask_decoder") and "_proj.weight" in name
        scale = 0.8 if is_attention else 0.3 if len(shape) > 1 else 0.1
        scale *= 0.5 if "hypernetworks" in name else 0.2 if ".neck." in name else 1
        value = torch.randn(shape, generator=generator) * scale
        is_norm = len(shape) == 1 and name.endswith("weight")
        made[name] = value + 1 if is_norm else value
    return made
