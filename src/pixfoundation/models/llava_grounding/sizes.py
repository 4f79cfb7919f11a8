"""The sizes of a checkpoint's segmenter, read off the shapes of its tensors."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from pixfoundation.errors import CheckpointError

POINTS = 4  # sampling points per head and level, a constant of the published code
LEVELS = 4  # res3, res4, res5 and one coarser map

SEGMENTER = "seg_model.model."
_BACKBONE = SEGMENTER + "backbone."
_PIXELS = SEGMENTER + "sem_seg_head.pixel_decoder."
_QUERIES = SEGMENTER + "sem_seg_head.predictor."

Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class SegmenterSizes:
    """Sizes of the segmenter; the published values stand in brackets.

    Attributes:
        patch: Side of Swin's patches in pixels (4).
        embed: Channels of Swin's first stage (96).
        depths: Blocks per stage (2, 2, 6, 2).
        swin_heads: Attention heads per stage (3, 6, 12, 24).
        window: Side of Swin's windows in patches (7).
        mlp_ratio: Width of Swin's MLPs over that of their stage (4).
        width: Channels of the encoder and of the decoder (256).
        mask_width: Channels of the mask features (256).
        encoder_layers: Deformable encoder layers (6).
        encoder_heads: Attention heads of the encoder (8).
        encoder_mlp: Hidden width of the encoder's MLPs (2048).
        decoder_layers: Decoder layers (9).
        decoder_heads: Attention heads of the decoder (8).
        decoder_mlp: Hidden width of the decoder's MLPs (2048).
        text_width: Width of the language model's states (4096).
        queries: Object queries per image (300): a setting that no tensor shows.
    """

    patch: int
    embed: int
    depths: tuple[int, ...]
    swin_heads: tuple[int, ...]
    window: int
    mlp_ratio: float
    width: int
    mask_width: int
    encoder_layers: int
    encoder_heads: int
    encoder_mlp: int
    decoder_layers: int
    decoder_heads: int
    decoder_mlp: int
    text_width: int
    queries: int


def segmenter_sizes(shapes: Shapes, queries: int) -> SegmenterSizes:
    """Read the sizes of the segmenter.

    Args:
        shapes: Shapes of the checkpoint's tensors, by published key.
        queries: Object queries per image.

    Raises:
        CheckpointError: If a tensor is missing that every LLaVA-Grounding checkpoint has, or if
            the segmenter differs from the published one.
    """
    encoder = _PIXELS + "transformer.encoder.layers."
    decoder = _QUERIES + "decoder.layers."
    embed, _, patch, _ = _shape(shapes, _BACKBONE + "patch_embed.proj.weight", 4)
    stages = _count(shapes, _BACKBONE + "layers.{}.blocks.0.norm1.weight")
    levels, width = _shape(shapes, _PIXELS + "transformer.level_embed", 2)
    if (stages, levels) != (4, LEVELS):
        raise CheckpointError(
            f"The segmenter has {stages} backbone stages and {levels} feature levels; LLaVA-"
            f"Grounding has 4 and {LEVELS}. This is a checkpoint of another model."
        )
    tables = [
        _shape(shapes, f"{_BACKBONE}layers.{i}.blocks.0.attn.relative_position_bias_table", 2)
        for i in range(stages)
    ]
    swin_mlp, _ = _shape(shapes, _BACKBONE + "layers.0.blocks.0.mlp.fc1.weight", 2)
    return SegmenterSizes(
        patch=patch,
        embed=embed,
        depths=tuple(
            _count(shapes, f"{_BACKBONE}layers.{i}.blocks.{{}}.norm1.weight") for i in range(stages)
        ),
        swin_heads=tuple(heads for _, heads in tables),
        window=(math.isqrt(tables[0][0]) + 1) // 2,  # the table holds (2 window - 1)^2 offsets
        mlp_ratio=swin_mlp / embed,
        width=width,
        mask_width=_shape(shapes, _PIXELS + "mask_features.weight", 4)[0],
        encoder_layers=_count(shapes, encoder + "{}.norm1.weight"),
        encoder_heads=_heads(shapes, encoder + "0.self_attn.attention_weights.weight"),
        encoder_mlp=_shape(shapes, encoder + "0.linear1.weight", 2)[0],
        decoder_layers=_count(shapes, decoder + "{}.norm1.weight"),
        decoder_heads=_heads(shapes, decoder + "0.cross_attn.attention_weights.weight"),
        decoder_mlp=_shape(shapes, decoder + "0.linear1.weight", 2)[0],
        text_width=_shape(shapes, _QUERIES + "class_embed", 2)[1],
        queries=queries,
    )


def _heads(shapes: Shapes, key: str) -> int:
    """Return the heads of deformable attention, which has one weight per head, level and point."""
    return _shape(shapes, key, 2)[0] // (LEVELS * POINTS)


def _count(shapes: Shapes, pattern: str) -> int:
    """Count consecutive keys from 0 on."""
    number = 0
    while pattern.format(number) in shapes:
        number += 1
    return number


def _shape(shapes: Shapes, key: str, dimensions: int) -> tuple[int, ...]:
    shape = shapes.get(key)
    if shape is None or len(shape) != dimensions:
        problem = "is missing" if shape is None else f"has the shape {list(shape)}"
        raise CheckpointError(
            f"The tensor {key!r} {problem}. Give a LLaVA-Grounding checkpoint in its published "
            "layout, such as Haozhangcx/llava_grounding_gd_vp."
        )
    return shape
