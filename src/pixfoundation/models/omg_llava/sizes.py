"""The sizes of OMG-LLaVA's parts, read from the shapes of its checkpoint files.

Three facts follow from no shape and are taken from the published configuration: the pixel decoder's
three levels, its four sampling points, and that both decoders have the same number of heads.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from pixfoundation.errors import CheckpointError
from pixfoundation.models.common.checkpoints import Checkpoint

Shape = tuple[int, ...]

LEVELS = 3
POINTS = 4
GROUPS = 32  # groups in the pixel decoder's group norms


@dataclass(frozen=True, slots=True)
class PerceptionSizes:
    """Sizes of OMG-Seg.

    Attributes:
        widths: Channels of the trunk's four stages.
        depths: Number of blocks in each stage.
        features: Channels of queries and memories.
        mask_features: Channels of the mask features.
        queries: Number of object queries.
        heads: Attention heads of the pixel decoder and of the mask decoder.
        encoder_layers: Number of layers in the pixel decoder.
        encoder_width: Width of the pixel decoder's feed-forward parts.
        decoder_layers: Number of layers in the mask decoder.
        decoder_width: Width of the mask decoder's feed-forward parts.
        bank: Shape of the class bank: classes, wordings, embedding width.
    """

    widths: tuple[int, ...]
    depths: tuple[int, ...]
    features: int
    mask_features: int
    queries: int
    heads: int
    encoder_layers: int
    encoder_width: int
    decoder_layers: int
    decoder_width: int
    bank: tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class ProjectorSizes:
    """Sizes of the two projectors.

    Attributes:
        cell: Channels of a visual token's folded trunk features.
        query: Width of a query with its position.
        hidden: Width of the language model.
    """

    cell: int
    query: int
    hidden: int


def perception_sizes(
    head: Checkpoint, trunk: Checkpoint, bank: tuple[int, int, int]
) -> PerceptionSizes:
    """Read OMG-Seg's sizes.

    Args:
        head: The OMG-Seg file.
        trunk: The file that holds the ConvNeXt; may be the OMG-Seg file.
        bank: Shape of the class bank.

    Raises:
        CheckpointError: If a tensor that gives a size is missing, or if the sizes are inconsistent.
    """
    widths, depths = _trunk_sizes(trunk)

    def shape(name: str) -> Shape:
        return _shape(head, f"panoptic_head.{name}")

    queries, features = shape("query_feat.weight")
    encoder, decoder = "pixel_decoder.encoder.layers", "transformer_decoder.layers"
    offsets = shape(f"{encoder}.0.self_attn.sampling_offsets.weight")[0]
    heads, rest = divmod(offsets, LEVELS * POINTS * 2)
    levels = shape("level_embed.weight")[0]
    if rest or levels != LEVELS or features % GROUPS or not heads or features % heads:
        raise CheckpointError(
            f"{head.name}: an OMG-Seg head has {LEVELS} levels, {POINTS} sampling points and a "
            f"multiple of {GROUPS} features, but this one has {levels} levels, {offsets} sampling "
            f"offsets and {features} features. It belongs to another model."
        )
    return PerceptionSizes(
        widths=widths,
        depths=depths,
        features=features,
        mask_features=shape("pixel_decoder.mask_feature.weight")[0],
        queries=queries,
        heads=heads,
        encoder_layers=_count(head, rf"^panoptic_head\.{re.escape(encoder)}\.(\d+)\."),
        encoder_width=shape(f"{encoder}.0.ffn.layers.0.0.weight")[0],
        decoder_layers=_count(head, rf"^panoptic_head\.{re.escape(decoder)}\.(\d+)\."),
        decoder_width=shape(f"{decoder}.0.ffn.layers.0.0.weight")[0],
        bank=bank,
    )


def projector_sizes(finetuned: Checkpoint) -> ProjectorSizes:
    """Read the projectors' sizes from the fine-tuned file.

    Raises:
        CheckpointError: If a tensor that gives a size is missing.
    """
    cell, query = _shape(finetuned, "projector.model.query_proj.weight")
    return ProjectorSizes(cell, query, _shape(finetuned, "projector.model.model.0.weight")[0])


def _trunk_sizes(trunk: Checkpoint) -> tuple[tuple[int, ...], tuple[int, ...]]:
    widths: dict[int, int] = {}
    depths: dict[int, int] = {}
    for key, shape in trunk.shapes.items():
        place = TRUNK_BLOCK.search(key)
        if place is not None:
            stage = int(place["stage"]) if place["stage"] else int(place["layer"]) - 1
            widths[stage] = shape[0]
            depths[stage] = max(depths.get(stage, 0), int(place["block"]) + 1)
    if sorted(widths) != [0, 1, 2, 3]:
        raise CheckpointError(
            f"{trunk.name} does not hold the four stages of a ConvNeXt (keys such as "
            "'visual.trunk.stages.0.blocks.0.conv_dw.weight'). Give the OpenCLIP weights of "
            "convnext_large_d_320."
        )
    return tuple(widths[i] for i in range(4)), tuple(depths[i] for i in range(4))


TRUNK_BLOCK = re.compile(
    r"(?:stages\.(?P<stage>\d)|layer(?P<layer>\d))\.blocks\.(?P<block>\d+)\.conv_dw\.weight$"
)


def _shape(checkpoint: Checkpoint, key: str) -> Shape:
    shapes: Mapping[str, Shape] = checkpoint.shapes
    if key not in shapes:
        raise CheckpointError(
            f"{checkpoint.name} has no tensor {key!r}, which gives a size of the model. "
            "Check that it is the published file."
        )
    return shapes[key]


def _count(checkpoint: Checkpoint, pattern: str) -> int:
    indices = {int(match[1]) for key in checkpoint.keys() if (match := re.match(pattern, key))}  # noqa: SIM118
    return max(indices) + 1
