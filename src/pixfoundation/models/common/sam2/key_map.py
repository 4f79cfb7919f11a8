"""Where the tensors of an original SAM 2 go in transformers' `Sam2Model`.

Names: facebookresearch/sam2, `sam2/modeling`; Sa2VA, UniGR and UniPixel vendor it with the same
names, but for the layer scale of the memory encoder (`gamma`, `g_weight` or `weight`), which still
images do not need.
"""

from __future__ import annotations

import re

VIDEO_ONLY = (
    r"memory_attention\.",
    r"memory_encoder\.",
    r"mask_downsample\.",
    r"obj_ptr_proj\.",
    r"obj_ptr_tpos_proj\.",
    r"(?:maskmem_tpos_enc|no_mem_pos_enc|no_obj_ptr|no_obj_embed_spatial)$",
)
"""Regular expressions, matched from the start, of tensors that only videos use."""

PREFIXES = ("grounding_encoder.sam2_model.", "sam2.", "sam2_model.", "")
"""Where an original SAM 2 is found in a checkpoint: UniGR and Sa2VA, UniPixel, SAM 2 alone."""

PATCHES = "image_encoder.trunk.patch_embed.proj.weight"
"""The tensor by which an original SAM 2 is recognised."""

FOURIER = "sam_prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"

_PARTS = (
    ("image_encoder.trunk.", "vision_encoder.backbone."),
    ("image_encoder.neck.", "vision_encoder.neck."),
    ("sam_prompt_encoder.", "prompt_encoder."),
    ("sam_mask_decoder.", "mask_decoder."),
)
_INNER = (
    (r"\.patch_embed\.proj\.", ".patch_embed.projection."),
    (r"^(vision_encoder\.neck\.convs\.\d+)\.conv\.", r"\1."),
    (r"\.point_embeddings\.(\d+)\.weight$", r".point_embed.weight[\1]"),
    (r"\.mask_downscaling\.0\.", ".mask_embed.conv1."),
    (r"\.mask_downscaling\.1\.", ".mask_embed.layer_norm1."),
    (r"\.mask_downscaling\.3\.", ".mask_embed.conv2."),
    (r"\.mask_downscaling\.4\.", ".mask_embed.layer_norm2."),
    (r"\.mask_downscaling\.6\.", ".mask_embed.conv3."),
    (r"\.output_upscaling\.0\.", ".upscale_conv1."),
    (r"\.output_upscaling\.1\.", ".upscale_layer_norm."),
    (r"\.output_upscaling\.3\.", ".upscale_conv2."),
    (r"\.norm(\d|_)", r".layer_norm\1"),
    (r"\.out_proj\.", ".o_proj."),
    (r"\.mlp\.layers\.0\.", ".mlp.proj_in."),
    (r"\.mlp\.layers\.1\.", ".mlp.proj_out."),
)
_HEAD = re.compile(
    r"^(mask_decoder\.(?:output_hypernetworks_mlps\.\d+|iou_prediction_head|pred_obj_score_head))"
    r"\.layers\.(\d+)\.(.*)$"
)


def is_video_only(key: str) -> bool:
    """Return whether a tensor is needed for videos alone.

    Args:
        key: Original name, without the checkpoint's prefix for SAM 2.
    """
    return any(re.match(pattern, key) for pattern in VIDEO_ONLY)


def sam2_names(key: str, iou_head_depth: int = 3) -> tuple[str, ...]:
    """Return where a tensor of the original SAM 2 goes in `Sam2Model`.

    Args:
        key: Original name, without the checkpoint's prefix for SAM 2.
        iou_head_depth: Layers of the IoU head; the other heads always have three.

    Returns:
        One name; two for the Fourier matrix, which `Sam2Model` holds twice; `NAME[i]` for a row of
        a table; none for a tensor that only videos use, or that has no place.
    """
    if key == FOURIER:
        return (
            "prompt_encoder.shared_embedding.positional_embedding",
            "shared_image_embedding.positional_embedding",
        )
    if key == "no_mem_embed":
        return ("no_memory_embedding",)
    part = next(((old, new) for old, new in _PARTS if key.startswith(old)), None)
    if part is None:
        return ()
    key = part[1] + key.removeprefix(part[0])
    if head := _HEAD.match(key):
        stem, layer, leaf = head[1], int(head[2]), head[3]
        last = (iou_head_depth if stem.endswith("iou_prediction_head") else 3) - 1
        inner = {0: "proj_in", last: "proj_out"}.get(layer, f"layers.{layer - 1}")
        return (f"{stem}.{inner}.{leaf}",)
    for pattern, replacement in _INNER:
        key = re.sub(pattern, replacement, key)
    return (key,)
