"""SigLIP and ConvNeXt: trunks published by OpenCLIP and timm, on transformers' classes.

Keys are those of timm (`visual.trunk.*` inside an OpenCLIP file). timm itself is not needed: sizes
follow from the tensors; the number of heads and the epsilon are in the JSON files next to them or
follow from the name of the architecture.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from pixfoundation.errors import CheckpointError
from pixfoundation.models.cambrian.sizes import count_of, shape_of
from pixfoundation.models.cambrian.tower_files import open_trunk, trunk_arguments, trunk_prefix
from pixfoundation.models.common.checkpoints import Checkpoint
from pixfoundation.models.common.loading import empty_weights, load_into

# Settings of timm's named architectures that do not follow from their weights.
_ARCHITECTURES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("vit_so400m", {"num_heads": 16}),
    ("vit_large", {"num_heads": 16}),
    ("vit_base", {"num_heads": 12}),
    ("convnext_xxlarge", {"norm_eps": 1e-5}),
)
_ACTIVATIONS = {"gelu": "gelu", "gelu_tanh": "gelu_pytorch_tanh", "quick_gelu": "quick_gelu"}


@dataclass(frozen=True)
class Trunk:
    """A loaded trunk.

    Attributes:
        encoder: The encoder.
        widths: Channels of its stages; a single value for SigLIP.
        image_side: Side of its input in pixels; 0 if any side is accepted.
        mean: Mean of the pixels by channel, 0..1; None if its files do not hold it.
        deviation: Standard deviation of the pixels by channel; None if its files do not hold it.
    """

    encoder: nn.Module
    widths: tuple[int, ...]
    image_side: int
    mean: Sequence[float] | None
    deviation: Sequence[float] | None


def load_siglip(folder: Path, dtype: torch.dtype) -> Trunk:
    """Load SigLIP's image encoder without its pooling head.

    Raises:
        CheckpointError: If the files are damaged or incomplete, or if a setting is missing.
    """
    from transformers import SiglipVisionConfig, SiglipVisionModel

    weights, prefix, arguments = _open(folder)
    width, _, patch, _ = shape_of(weights, f"{prefix}patch_embed.proj.weight")
    positions = shape_of(weights, f"{prefix}pos_embed")[1]
    if arguments.get("num_heads") is None:
        raise CheckpointError(
            f"No JSON file in {folder} holds the trunk's number of attention heads. Download its "
            f'open_clip_config.json, or add trunk.json with {{"num_heads": ...}}.'
        )
    image_side = math.isqrt(positions) * patch
    config = SiglipVisionConfig(
        hidden_size=width,
        intermediate_size=shape_of(weights, f"{prefix}blocks.0.mlp.fc1.weight")[0],
        num_hidden_layers=count_of(weights, rf"^{re.escape(prefix)}blocks\.(\d+)\."),
        num_attention_heads=arguments["num_heads"],
        image_size=image_side,
        patch_size=patch,
        hidden_act=_activation(arguments, folder),
        layer_norm_eps=1e-6,
        vision_use_head=False,
    )
    with empty_weights():
        encoder = SiglipVisionModel(config)

    def convert(key: str, value: Tensor) -> Sequence[Tensor]:
        if ".qkv." in key:
            return value.chunk(3)
        return [value[0] if key.endswith("pos_embed") else value]

    load_into(
        getattr(encoder, "vision_model", encoder),
        weights,
        rename=lambda key: _siglip_names(key.removeprefix(prefix)),
        convert=convert,
        ignorable=_outside_trunk(prefix),
        dtype=dtype,
    )
    return Trunk(encoder, (width,), image_side, arguments.get("mean"), arguments.get("std"))


def _siglip_names(key: str) -> Sequence[str]:
    """Return the name(s) in transformers of a parameter of timm; empty for other keys."""
    if fused := re.match(r"blocks\.(\d+)\.attn\.qkv\.(weight|bias)$", key):
        layer, leaf = fused.groups()
        return [f"encoder.layers.{layer}.self_attn.{part}_proj.{leaf}" for part in "qkv"]
    for pattern, name in (
        (r"^blocks\.(\d+)\.attn\.proj\.", r"encoder.layers.\1.self_attn.out_proj."),
        (r"^blocks\.(\d+)\.norm([12])\.", r"encoder.layers.\1.layer_norm\2."),
        (r"^blocks\.(\d+)\.mlp\.", r"encoder.layers.\1.mlp."),
        (r"^patch_embed\.proj\.", "embeddings.patch_embedding."),
        (r"^pos_embed$", "embeddings.position_embedding.weight"),
        (r"^norm\.", "post_layernorm."),
    ):
        if re.match(pattern, key):
            return [re.sub(pattern, name, key)]
    return []


def load_convnext(folder: Path, dtype: torch.dtype) -> Trunk:
    """Load CLIP-ConvNeXt's image encoder without its head.

    Raises:
        CheckpointError: If the files are damaged or incomplete, or if a setting is missing.
    """
    from transformers import ConvNextConfig, ConvNextModel

    weights, prefix, arguments = _open(folder)
    stages = count_of(weights, rf"^{re.escape(prefix)}stages\.(\d+)\.")
    widths = [
        shape_of(weights, f"{prefix}stages.{i}.blocks.0.conv_dw.weight")[0] for i in range(stages)
    ]
    config = ConvNextConfig(
        patch_size=shape_of(weights, f"{prefix}stem.0.weight")[-1],
        num_stages=stages,
        hidden_sizes=widths,
        depths=[
            count_of(weights, rf"^{re.escape(prefix)}stages\.{i}\.blocks\.(\d+)\.")
            for i in range(stages)
        ],
        layer_scale_init_value=float(f"{prefix}stages.0.blocks.0.gamma" in weights),
        hidden_act=_activation(arguments, folder),
    )
    with empty_weights():
        encoder = ConvNextModel(config)
    encoder.register_module(
        "layernorm", nn.Identity()
    )  # the norm of the pooled output, which is not used
    for module in encoder.modules():
        if isinstance(module, nn.LayerNorm):
            module.eps = arguments.get("norm_eps") or 1e-6
    load_into(
        encoder,
        weights,
        rename=lambda key: _convnext_name(key.removeprefix(prefix)),
        convert=lambda key, value: (
            [value.flatten(1) if ".mlp.fc" in key else value] if value.ndim == 4 else [value]
        ),
        ignorable=_outside_trunk(prefix),
        dtype=dtype,
    )
    return Trunk(encoder, tuple(widths), 0, arguments.get("mean"), arguments.get("std"))


def _convnext_name(key: str) -> str | None:
    """Return the name in transformers of a parameter of timm; None for other keys."""
    for pattern, name in (
        (r"^stem\.0\.", "embeddings.patch_embeddings."),
        (r"^stem\.1\.", "embeddings.layernorm."),
        (r"^stages\.(\d+)\.downsample\.", r"encoder.stages.\1.downsampling_layer."),
        (r"^stages\.(\d+)\.blocks\.(\d+)\.conv_dw\.", r"encoder.stages.\1.layers.\2.dwconv."),
        (r"^stages\.(\d+)\.blocks\.(\d+)\.norm\.", r"encoder.stages.\1.layers.\2.layernorm."),
        (r"^stages\.(\d+)\.blocks\.(\d+)\.mlp\.fc", r"encoder.stages.\1.layers.\2.pwconv"),
        (
            r"^stages\.(\d+)\.blocks\.(\d+)\.gamma$",
            r"encoder.stages.\1.layers.\2.layer_scale_parameter",
        ),
    ):
        if re.match(pattern, key):
            return re.sub(pattern, name, key)
    return None


def _open(folder: Path) -> tuple[Checkpoint, str, Mapping[str, Any]]:
    """Return the weights of a trunk, the prefix of its keys, and its settings."""
    weights = open_trunk(folder)
    arguments = trunk_arguments(folder)
    names = " ".join(value for value in arguments.values() if isinstance(value, str))
    for name, fixed in _ARCHITECTURES:
        if name in names:
            arguments = {**fixed, **arguments}
    return weights, trunk_prefix(weights.keys()), arguments


def _outside_trunk(prefix: str) -> tuple[str, ...]:
    """Return patterns of keys that are not needed: the text side, and the heads of the trunk."""
    trunk = re.escape(prefix)
    heads = rf"^{trunk}(attn_pool|head|fc_norm|norm_pre)\."
    return (heads, rf"^(?!{trunk})") if prefix else (heads,)


def _activation(arguments: Mapping[str, Any], folder: Path) -> str:
    name = arguments.get("act_layer", "gelu")
    if name not in _ACTIVATIONS:
        raise CheckpointError(
            f"{folder}: unknown activation {name!r}; expected one of {', '.join(_ACTIVATIONS)}."
        )
    return _ACTIVATIONS[name]
