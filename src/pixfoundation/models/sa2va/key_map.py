"""Where the tensors of a published Sa2VA go in `network.Sa2va`.

Names: bytedance/Sa2VA, projects/sa2va/hf (`modeling_sa2va_chat.py`, `modeling_sa2va_qwen.py`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from torch import Tensor

from pixfoundation.models.common.internlm2 import language_name, split_groups
from pixfoundation.models.common.sam2.key_map import FOURIER, VIDEO_ONLY

SAM2 = "grounding_encoder.sam2_model."
HEAD = "text_hidden_fcs."
LANGUAGE = "language_model."
VISION = "vision_model."
IGNORABLE = (
    r"rotary_emb\.inv_freq$",
    *(rf"^{re.escape(SAM2)}{pattern}" for pattern in VIDEO_ONLY),
)
"""Regular expressions of tensors that are not needed: constants, and what only videos use."""
LORA = re.compile(r"\.lora_[AB]\.|\.base_layer\.|^(?:language_model|vision_model)\.base_model\.")
"""Tensors of a low-rank update that was not merged into the weights."""

_TOWER = (
    (r"^embeddings\.class_embedding$", "embeddings.cls_token"),
    (r"^embeddings\.position_embedding$", "embeddings.position_embeddings"),
    (r"^embeddings\.patch_embedding\.", "embeddings.patch_embeddings.projection."),
    (r"^encoder\.layers\.", "encoder.layer."),
    (r"\.attn\.proj\.", ".attention.projection_layer."),
    (r"\.attn\.(q_norm|k_norm)\.", r".attention.\1."),
    (r"\.norm1\.", ".layernorm_before."),
    (r"\.norm2\.", ".layernorm_after."),
    (r"\.ls1$", ".lambda_1"),
    (r"\.ls2$", ".lambda_2"),
)
_FUSED_VISION = re.compile(r"^(.*)\.attn\.qkv\.(weight|bias)$")
_PROJECTOR = {"0": "layer_norm", "1": "linear_1", "3": "linear_2"}


class Heads(NamedTuple):
    """Heads of an InternLM2, by which its fused projections are split.

    Attributes:
        queries: Number of query heads.
        groups: Number of key-value heads.
    """

    queries: int
    groups: int


def intern_names(key: str, *, internlm2: bool) -> tuple[str, ...]:
    """Return where a tensor of an InternVL variant goes in `InternVLForConditionalGeneration`.

    Args:
        key: Name in the checkpoint.
        internlm2: Whether the language model is an InternLM2.

    Returns:
        One name; three for a fused projection; none for a tensor without a place.
    """
    if key.startswith(VISION):
        return tuple(f"mllm.model.vision_tower.{n}" for n in _tower_names(key.removeprefix(VISION)))
    if match := re.match(r"^mlp1\.(\d)\.", key):
        name = _PROJECTOR.get(match[1])
        leaf = key.removeprefix(match[0])
        return (f"mllm.model.multi_modal_projector.{name}.{leaf}",) if name else ()
    if not key.startswith(LANGUAGE):
        return ()
    key = key.removeprefix(LANGUAGE)
    names = language_name(key) if internlm2 else key
    return tuple(_in_language_model(n) for n in ((names,) if isinstance(names, str) else names))


def qwen_names(key: str) -> tuple[str, ...]:
    """Return where a tensor of a Qwen-VL variant goes in its class.

    The names are those of transformers from 4.52 on, behind one more `model.`; the older ones
    (`model.visual.`, `model.model.layers.`) are read too.
    """
    if not key.startswith("model."):
        return ()
    key = key.removeprefix("model.")
    if key.startswith("visual."):
        key = f"model.{key}"
    elif key.startswith("model.") and not key.startswith(
        ("model.visual.", "model.language_model.")
    ):
        key = f"model.language_model.{key.removeprefix('model.')}"
    return (f"mllm.{key}",)


def split(heads: Heads | None) -> Callable[[str, Tensor], Sequence[Tensor]]:
    """Return the function that splits the fused projections of a checkpoint.

    Args:
        heads: Heads of its InternLM2; None for another language model.
    """

    def convert(key: str, stored: Tensor) -> Sequence[Tensor]:
        if key.startswith(VISION) and _FUSED_VISION.match(key):
            return stored.chunk(3)
        if heads is not None and ".attention.wqkv." in key:
            return split_groups(stored, heads.queries, heads.groups)
        return [stored, stored] if key == f"{SAM2}{FOURIER}" else [stored]

    return convert


def _tower_names(key: str) -> tuple[str, ...]:
    if fused := _FUSED_VISION.match(key):
        layer = fused[1].replace("encoder.layers.", "encoder.layer.")
        return tuple(f"{layer}.attention.{part}_proj.{fused[2]}" for part in "qkv")
    for pattern, replacement in _TOWER:
        key = re.sub(pattern, replacement, key)
    return (key,)


def _in_language_model(name: str) -> str:
    if name.startswith("lm_head."):
        return f"mllm.{name}"
    return f"mllm.model.language_model.{name.removeprefix('model.')}"
