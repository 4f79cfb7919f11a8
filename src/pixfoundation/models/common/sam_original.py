"""SAM as its authors store it, into transformers' `SamModel`; masks from projected states.

Segmentation MLLMs of the LISA family carry a whole fine-tuned SAM under a prefix of their
checkpoint, with the names of the original `segment_anything` code. The stock SAM decoder does not
replace it.

Names and settings: facebookresearch/segment-anything, `build_sam.py` and `modeling/`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from pixfoundation.errors import CheckpointError

if TYPE_CHECKING:
    from transformers import SamConfig, SamModel

DECODER_HEADS = 8  # of every published SAM; no tensor shape tells it
DECODER_NORM_EPS = 1e-5  # torch's default, which the original uses; transformers' own is 1e-6

_PREFIXES = (
    ("image_encoder.patch_embed.proj.", "vision_encoder.patch_embed.projection."),
    ("image_encoder.neck.0.", "vision_encoder.neck.conv1."),
    ("image_encoder.neck.1.", "vision_encoder.neck.layer_norm1."),
    ("image_encoder.neck.2.", "vision_encoder.neck.conv2."),
    ("image_encoder.neck.3.", "vision_encoder.neck.layer_norm2."),
    ("image_encoder.blocks.", "vision_encoder.layers."),
    ("image_encoder.", "vision_encoder."),
    ("prompt_encoder.point_embeddings.", "prompt_encoder.point_embed."),
    ("prompt_encoder.mask_downscaling.0.", "prompt_encoder.mask_embed.conv1."),
    ("prompt_encoder.mask_downscaling.1.", "prompt_encoder.mask_embed.layer_norm1."),
    ("prompt_encoder.mask_downscaling.3.", "prompt_encoder.mask_embed.conv2."),
    ("prompt_encoder.mask_downscaling.4.", "prompt_encoder.mask_embed.layer_norm2."),
    ("prompt_encoder.mask_downscaling.6.", "prompt_encoder.mask_embed.conv3."),
    ("mask_decoder.output_upscaling.0.", "mask_decoder.upscale_conv1."),
    ("mask_decoder.output_upscaling.1.", "mask_decoder.upscale_layer_norm."),
    ("mask_decoder.output_upscaling.3.", "mask_decoder.upscale_conv2."),
)
_FOURIER = "prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"
_MLP_HEAD = re.compile(
    r"^(mask_decoder\.(?:output_hypernetworks_mlps\.\d+|iou_prediction_head))\.layers\.(\d+)\.(.*)$"
)


def sam_names(key: str, iou_head_depth: int = 3) -> tuple[str, ...]:
    """Return where a tensor of the original SAM goes in `SamModel`.

    Args:
        key: Original name, without the checkpoint's prefix for SAM.
        iou_head_depth: Layers of the IoU head; the mask heads always have three.

    Returns:
        One name; two for the Fourier matrix, which `SamModel` holds twice.
    """
    if key == _FOURIER:
        return (
            "prompt_encoder.shared_embedding.positional_embedding",
            "shared_image_embedding.positional_embedding",
        )
    if head := _MLP_HEAD.match(key):
        stem, layer, leaf = head[1], int(head[2]), head[3]
        last = (iou_head_depth if "iou" in stem else 3) - 1
        inner = {0: "proj_in", last: "proj_out"}.get(layer, f"layers.{layer - 1}")
        return (f"{stem}.{inner}.{leaf}",)
    for old, new in _PREFIXES:
        if key.startswith(old):
            key = new + key[len(old) :]
            break
    return (re.sub(r"\.norm(\d|_)", r".layer_norm\1", key),)


def sam_config(shapes: Mapping[str, tuple[int, ...]], source: str) -> SamConfig:
    """Read the size of a SAM off the shapes of its tensors.

    Args:
        shapes: By original name, without the checkpoint's prefix for SAM.
        source: What an error calls the checkpoint.

    Raises:
        CheckpointError: If tensors that tell the size are missing.
    """
    from transformers import (
        SamConfig,
        SamMaskDecoderConfig,
        SamPromptEncoderConfig,
        SamVisionConfig,
    )

    try:
        width, channels, patch, _ = shapes["image_encoder.patch_embed.proj.weight"]
        grid = shapes["image_encoder.pos_embed"][1]
        depth = _count(shapes, r"image_encoder\.blocks\.(\d+)\.")
        relative = [shapes[f"image_encoder.blocks.{i}.attn.rel_pos_h"] for i in range(depth)]
        windows = [(rows + 1) // 2 for rows, _ in relative]
        out = shapes["image_encoder.neck.0.weight"][0]
        prompt = shapes["prompt_encoder.no_mask_embed.weight"][1]
        cross = shapes["mask_decoder.transformer.layers.0.cross_attn_token_to_image.q_proj.weight"]
        iou_hidden = shapes["mask_decoder.iou_prediction_head.layers.0.weight"][0]
        vision = SamVisionConfig(
            hidden_size=width,
            num_hidden_layers=depth,
            num_attention_heads=width // relative[0][1],
            num_channels=channels,
            image_size=grid * patch,
            patch_size=patch,
            window_size=next((window for window in windows if window != grid), 0),
            global_attn_indexes=[i for i, window in enumerate(windows) if window == grid],
            output_channels=out,
            mlp_dim=shapes["image_encoder.blocks.0.mlp.lin1.weight"][0],
            num_pos_feats=shapes[_FOURIER][1],
            qkv_bias="image_encoder.blocks.0.attn.qkv.bias" in shapes,
        )
        prompts = SamPromptEncoderConfig(
            hidden_size=prompt,
            image_size=grid * patch,
            patch_size=patch,
            mask_input_channels=shapes["prompt_encoder.mask_downscaling.3.weight"][0],
            num_point_embeddings=_count(shapes, r"prompt_encoder\.point_embeddings\.(\d+)\."),
        )
        decoder = SamMaskDecoderConfig(
            hidden_size=prompt,
            mlp_dim=shapes["mask_decoder.transformer.layers.0.mlp.lin1.weight"][0],
            num_hidden_layers=_count(shapes, r"mask_decoder\.transformer\.layers\.(\d+)\."),
            num_attention_heads=DECODER_HEADS,
            attention_downsample_rate=prompt // cross[0],
            num_multimask_outputs=shapes["mask_decoder.mask_tokens.weight"][0] - 1,
            iou_head_depth=_count(shapes, r"mask_decoder\.iou_prediction_head\.layers\.(\d+)\."),
            iou_head_hidden_dim=iou_hidden,
            layer_norm_eps=DECODER_NORM_EPS,
        )
    except (KeyError, IndexError, ValueError, ZeroDivisionError) as error:
        raise CheckpointError(
            f"The SAM inside {source} is not of the original segment_anything layout ({error}). "
            "Give a checkpoint as its authors published it."
        ) from error
    return SamConfig(
        vision_config=vision, prompt_encoder_config=prompts, mask_decoder_config=decoder
    )


def _count(shapes: Mapping[str, tuple[int, ...]], pattern: str) -> int:
    return 1 + max(int(match[1]) for key in shapes if (match := re.match(pattern, key)))


def encode_image(sam: SamModel, pixels: Tensor) -> Tensor:
    """Run the image encoder.

    Args:
        sam: The model.
        pixels: [1, 3, side, side], normalised and padded, in the model's dtype.

    Returns:
        [1, channels, grid, grid], with channels-last strides, as transformers leaves them. Only
        norms over channels and matrix products follow, which are exact in any layout.
    """
    return sam.vision_encoder(pixels).last_hidden_state


def masks_from_states(sam: SamModel, image: Tensor, prompts: Tensor) -> Tensor:
    """Decode one mask for each projected hidden state, each a prompt of its own.

    A state is the only sparse prompt of its mask, with no positional or type embedding; the mask is
    the decoder's first (`multimask_output=False`), as LISA and GLaMM do it.

    Args:
        sam: The model.
        image: [1, channels, grid, grid], from `encode_image`.
        prompts: [n, channels] projected states.

    Returns:
        Mask logits [n, 4 * grid, 4 * grid] in the model's dtype.
    """
    side = image.shape[-1] * 4
    if not len(prompts):  # the decoder cannot reshape an empty batch
        return image.new_zeros(0, side, side)
    weight = sam.prompt_encoder.no_mask_embed.weight
    dense = weight.reshape(1, -1, 1, 1).expand(1, -1, *image.shape[-2:])  # (1, C, g, g)
    masks, _ = sam.mask_decoder(
        image_embeddings=image,
        image_positional_embeddings=sam.get_image_wide_positional_embeddings(),
        sparse_prompt_embeddings=prompts[None, :, None].to(image),  # (1, n, 1, C)
        dense_prompt_embeddings=dense.to(image),
        multimask_output=False,
    )
    return masks[0, :, 0]  # (n, 4g, 4g)


def to_original_size(
    logits: Tensor, side: int, resized: tuple[int, int], original: tuple[int, int]
) -> Tensor:
    """Undo SAM's preprocessing: enlarge to the padded square, cut the padding, resize.

    Args:
        logits: [n, h, w] low-resolution mask logits.
        side: Side of the padded square in pixels.
        resized: (height, width) of the image inside the square.
        original: (height, width) of the image.

    Returns:
        float32 [n, *original].
    """
    if not len(logits):
        return logits.new_zeros(0, *original, dtype=torch.float32)
    square = F.interpolate(logits[:, None].float(), (side, side), mode="bilinear")
    unpadded = square[..., : resized[0], : resized[1]]
    return F.interpolate(unpadded, original, mode="bilinear")[:, 0]


def run_neck_in_float32(sam: SamModel) -> None:
    """Make the encoder's neck compute in float32 inside a half-precision model.

    Its activations leave the range of float16. The neck's weights must be float32 (`neck_dtype`).
    """
    neck = sam.vision_encoder.neck
    dtype: list[torch.dtype] = []

    def widen(module: torch.nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        dtype[:] = [inputs[0].dtype]
        return (inputs[0].float(),)

    def narrow(module: torch.nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        return output.to(dtype[0])

    neck.register_forward_pre_hook(widen)
    neck.register_forward_hook(narrow)
