"""Names in the network of the keys of the published files, and the keys that are skipped."""

from __future__ import annotations

import re
from collections.abc import Sequence

from torch import Tensor

# ---- the trunk: OpenCLIP's file, or the copy inside the OMG-Seg file ----------------------------

TRUNK_PREFIX = r"^(?:visual\.trunk\.|backbone\.)"
_TRUNK = (
    (r"^stem\.0\.", "embeddings.patch_embeddings."),
    (r"^stem\.1\.", "embeddings.layernorm."),
    (r"\.downsample\.", ".downsampling_layer."),
    (r"\.blocks\.(\d+)\.conv_dw\.", r".layers.\1.dwconv."),
    (r"\.blocks\.(\d+)\.norm\.", r".layers.\1.layernorm."),
    (r"\.blocks\.(\d+)\.mlp\.fc1\.", r".layers.\1.pwconv1."),
    (r"\.blocks\.(\d+)\.mlp\.fc2\.", r".layers.\1.pwconv2."),
    (r"\.blocks\.(\d+)\.gamma$", r".layers.\1.layer_scale_parameter"),
)
CLIP_UNUSED = (
    # the text tower and the layers of CLIP after the trunk
    r"^(?:transformer|token_embedding|ln_final|text)\.",
    r"^(?:positional_embedding|text_projection|logit_scale|logit_bias|attn_mask)$",
    r"^visual\.head\.",
    r"^visual\.trunk\.(?:head|norm_pre)\.",
)


def trunk_name(key: str) -> str | None:
    """Return the name in `OmgSeg` of a ConvNeXt key; None for other keys."""
    name, replaced = re.subn(TRUNK_PREFIX, "", key)
    if not replaced:
        return None
    name = re.sub(r"^layer(\d)\.", lambda match: f"stages.{int(match[1]) - 1}.", name)
    return f"trunk.{_apply(_TRUNK, name)}"


# ---- the OMG-Seg head ---------------------------------------------------------------------------

_HEAD = (
    (r"^pixel_decoder\.input_convs\.(\d+)\.conv\.", r"pixel_decoder.input_projections.\1.0."),
    (r"^pixel_decoder\.input_convs\.(\d+)\.gn\.", r"pixel_decoder.input_projections.\1.1."),
    (r"^pixel_decoder\.level_encoding\.weight$", "pixel_decoder.level_embed"),
    (r"^pixel_decoder\.lateral_convs\.0\.conv\.", "pixel_decoder.adapter_1.0."),
    (r"^pixel_decoder\.lateral_convs\.0\.gn\.", "pixel_decoder.adapter_1.1."),
    (r"^pixel_decoder\.output_convs\.0\.conv\.", "pixel_decoder.layer_1.0."),
    (r"^pixel_decoder\.output_convs\.0\.gn\.", "pixel_decoder.layer_1.1."),
    (r"^pixel_decoder\.mask_feature\.", "pixel_decoder.mask_projection."),
    (
        r"^(pixel_decoder\.encoder\.layers\.\d+)\.norms\.0\.",
        r"\1.self_attn_layer_norm.",
    ),
    (r"^(pixel_decoder\.encoder\.layers\.\d+)\.norms\.1\.", r"\1.final_layer_norm."),
    (r"^transformer_decoder\.post_norm\.", "transformer.decoder.layernorm."),
    (r"^transformer_decoder\.", "transformer.decoder."),
    (r"\.ffn\.layers\.0\.0\.", ".fc1."),
    (r"\.ffn\.layers\.1\.", ".fc2."),
    (r"^(transformer\.decoder\.layers\.\d+)\.norms\.0\.", r"\1.cross_attn_layer_norm."),
    (r"^(transformer\.decoder\.layers\.\d+)\.norms\.1\.", r"\1.self_attn_layer_norm."),
    (r"^(transformer\.decoder\.layers\.\d+)\.norms\.2\.", r"\1.final_layer_norm."),
    (r"_attn\.attn\.", "_attn."),
    (r"^query_embed\.", "transformer.queries_embedder."),
    (r"^query_feat\.", "transformer.queries_features."),
    (r"^level_embed\.", "transformer.level_embed."),
    (r"^mask_embed\.0\.", "transformer.decoder.mask_predictor.mask_embedder.0.0."),
    (r"^mask_embed\.2\.", "transformer.decoder.mask_predictor.mask_embedder.1.0."),
    (r"^mask_embed\.4\.", "transformer.decoder.mask_predictor.mask_embedder.2.0."),
    (r"^mask_pooling_proj\.", "class_head.pool_projection."),
    (r"^cls_proj\.", "class_head.class_projection."),
)
_FUSED = re.compile(r"^(transformer\.decoder\.layers\.\d+\.self_attn)\.in_proj_(weight|bias)$")
HEAD_UNUSED = (
    r"^panoptic_head\.iou_embed\.",  # predicted but never used
    r"^panoptic_head\.(?:mask_tokens|pb_embedding|pos_linear)\.",  # prompts by points and boxes
    r"^backbone\.(?:head|norm_pre)\.",
    r"^data_preprocessor\.",
)


def head_name(key: str) -> str | tuple[str, ...] | None:
    """Return the name(s) in `OmgSeg` of a key of the OMG-Seg file; None for other keys."""
    if key.startswith("backbone."):
        return trunk_name(key)
    if not key.startswith("panoptic_head."):
        return None
    name = _apply(_HEAD, key.removeprefix("panoptic_head."))
    fused = _FUSED.match(name)
    if fused is None:
        return name
    return tuple(f"{fused[1]}.{part}_proj.{fused[2]}" for part in "qkv")


def split_fused(key: str, tensor: Tensor) -> Sequence[Tensor]:
    """Split a fused query-key-value projection of the mask decoder; keep other tensors whole."""
    if ".self_attn.attn.in_proj_" in key:
        return tensor.chunk(3)
    return [tensor]


# ---- the language model -------------------------------------------------------------------------

FINETUNED_LLM = "llm.base_model.model."  # how peft prefixes the keys of InternLM2


def _apply(rules: Sequence[tuple[str, str]], name: str) -> str:
    for pattern, replacement in rules:
        name = re.sub(pattern, replacement, name)
    return name
