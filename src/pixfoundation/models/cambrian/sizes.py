"""The structure of a Cambrian checkpoint: its towers, grids and samplers.

Sizes come from the tensors. Names, grids and the position of the image come from config.json, with
the field names of `cambrian-mllm/cambrian` (checked against its training script, whose fields
config.json of `nyu-visionx/cambrian-8b` repeats).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from pixfoundation.errors import CheckpointError
from pixfoundation.models.common.checkpoints import Checkpoint, read_json


class TowerKind(StrEnum):
    """Architecture of a vision encoder."""

    SIGLIP = "siglip"
    CLIP = "clip"
    DINOV2 = "dinov2"
    CONVNEXT = "convnext"


HEADS = 16  # attention heads of the aggregator: fixed in the published code, not stored in files
DINOV2_BY_WIDTH = {384: "small", 768: "base", 1024: "large", 1536: "giant"}
SIGLIP_HUB = "timm/ViT-SO400M-14-SigLIP-384"
CONVNEXT_HUB = {
    "XXL": "laion/CLIP-convnext_xxlarge-laion2B-s34B-b82K-augreg-soup",
    "L": "laion/CLIP-convnext_large_d_320.laion2B-s29B-b131K-ft-soup",
}
CONVNEXT_RESOLUTION = 1024  # if the name holds no resolution
_NUMBERED = re.compile(r"(res|interp)(\d+)$")


@dataclass(frozen=True, slots=True)
class TowerSpec:
    """One vision encoder, as the checkpoint names it.

    Attributes:
        index: Index in the list of encoders, which is also its number in the keys.
        kind: Architecture of the encoder.
        name: Name in config.json.
        hub: Hub id of its weights.
        width: Channels that its projection expects.
        side: Cells along a side of its output grid.
        resolution: Side of its input in pixels if the name holds it; None for that of its files.
        stages: Whether the output holds all stages of a ConvNeXt, not only the last.
    """

    index: int
    kind: TowerKind
    name: str
    hub: str
    width: int
    side: int
    resolution: int | None = None
    stages: bool = False


@dataclass(frozen=True, slots=True)
class CambrianSizes:
    """The structure of one checkpoint.

    Attributes:
        towers: The vision encoders, in order.
        side: Cells along a side of the image grid in the language model (24).
        query_sides: Cells along a side of the grid of each query group in the connector.
        connector_depths: Number of layers of the connector, by query group.
        vision_width: Width of the aggregator (1024).
        width: Width of the language model (4096).
        sampled: Indices of the decoder layers that a sampler follows, in order; may be empty.
        image_position: Index of the image in the prompt for which the samplers were trained.
        clip_layer: Index of the hidden state that is taken from CLIP (-2).
        max_tokens: Maximum length of a prompt in tokens, image included; None if unlimited.
    """

    towers: tuple[TowerSpec, ...]
    side: int
    query_sides: tuple[int, ...]
    connector_depths: tuple[int, ...]
    vision_width: int
    width: int
    sampled: tuple[int, ...]
    image_position: int | None
    clip_layer: int
    max_tokens: int | None

    def windows(self, side: int) -> tuple[int, ...]:
        """Return for each tower the side, in cells, of the window of one query."""
        return tuple(tower.side // side for tower in self.towers)


def read_sizes(folder: Path, checkpoint: Checkpoint) -> CambrianSizes:
    """Read the sizes from config.json and the shapes of the tensors.

    Raises:
        CheckpointError: If the folder is not a Cambrian checkpoint with a spatial vision
            aggregator, lacks its samplers, or names an unknown tower.
    """
    file = folder / "config.json"
    config = read_json(file)
    if config.get("mm_projector_type") != "sva":
        raise CheckpointError(
            f"{file} does not describe a Cambrian-1 model with a spatial vision aggregator: "
            f"mm_projector_type is {config.get('mm_projector_type')!r}, not 'sva'. "
            "Use a checkpoint such as nyu-visionx/cambrian-8b."
        )
    side = _square_root(_field(config, "image_token_len", file), file)
    query_sides = tuple(_square_root(n, file) for n in _field(config, "query_num_list", file))
    towers = _read_towers(config, checkpoint, file)
    for tower in towers:
        for grid in (side, *query_sides):
            if tower.side % grid:
                raise CheckpointError(
                    f"{file}: the {tower.side} x {tower.side} tokens of {tower.name} cannot be "
                    f"divided among {grid} x {grid} queries."
                )
    depths = tuple(
        count_of(checkpoint, rf"^model\.vision_sampler_{group}\.layers\.(\d+)\.")
        for group in range(len(query_sides))
    )
    if 0 in depths:
        raise CheckpointError(
            f"{folder} lacks the connector model.vision_sampler_{depths.index(0)}.* to the vision "
            "encoders. Download the complete checkpoint."
        )
    return CambrianSizes(
        towers=towers,
        side=side,
        query_sides=query_sides,
        connector_depths=depths,
        vision_width=_vision_width(checkpoint),
        width=shape_of(checkpoint, "model.image_newline")[0],
        sampled=_sampled_layers(config, checkpoint, file),
        image_position=config.get("image_position"),
        clip_layer=config.get("mm_vision_select_layer", -2),
        max_tokens=config.get("tokenizer_model_max_length"),
    )


def _read_towers(
    config: Mapping[str, Any], checkpoint: Checkpoint, file: Path
) -> tuple[TowerSpec, ...]:
    names = _field(config, "mm_vision_tower_aux_list", file)
    lengths = _field(config, "mm_vision_tower_aux_token_len_list", file)
    if len(names) != len(lengths):
        raise CheckpointError(
            f"{file} names {len(names)} vision towers but the token counts of {len(lengths)}."
        )
    return tuple(
        read_tower_name(
            index,
            name,
            width=shape_of(checkpoint, f"model.mm_projector_aux_{index}.0.weight")[1],
            side=_square_root(length, file),
        )
        for index, (name, length) in enumerate(zip(names, lengths, strict=True))
    )


def read_tower_name(index: int, name: str, *, width: int, side: int) -> TowerSpec:
    """Read an encoder's name, such as 'facebook/dinov2-giant-res378'.

    The size of DINOv2 follows from the width, because the paper's table and the published
    configuration disagree.

    Raises:
        CheckpointError: If Cambrian-1 8B uses no encoder with this name.
    """
    numbers = {m[1]: int(m[2]) for part in name.split("-") if (m := _NUMBERED.match(part))}
    base = "-".join(part for part in name.split("-") if not _NUMBERED.match(part))
    resolution = numbers.get("res")
    lower = name.lower()
    if "openai/clip" in lower:
        return TowerSpec(index, TowerKind.CLIP, name, base, width, side, resolution)
    if "siglip" in lower:
        return TowerSpec(index, TowerKind.SIGLIP, name, SIGLIP_HUB, width, side, resolution)
    if "clip-convnext" in lower:
        hub = CONVNEXT_HUB["XXL" if "xxl" in lower else "L"]
        stages = "multi-stage" in lower
        resolution = resolution or CONVNEXT_RESOLUTION
        return TowerSpec(index, TowerKind.CONVNEXT, name, hub, width, side, resolution, stages)
    if "dinov2" in lower:
        size = DINOV2_BY_WIDTH.get(width)
        hub = f"facebook/dinov2-{size}" if size else base
        return TowerSpec(index, TowerKind.DINOV2, name, hub, width, side, resolution)
    raise CheckpointError(
        f"Unknown vision tower {name!r}; expected one of Cambrian-1 8B: SigLIP, OpenAI's CLIP, "
        "DINOv2 or CLIP-ConvNeXt."
    )


def _sampled_layers(
    config: Mapping[str, Any], checkpoint: Checkpoint, file: Path
) -> tuple[int, ...]:
    """Return the indices of the decoder layers that a sampler follows."""
    count = count_of(checkpoint, r"^model\.vision_sampler_layers\.(\d+)\.")
    if config.get("connector_only", False):
        return ()
    expected = _field(config, "num_of_vision_sampler_layers", file)
    if count != expected:
        raise CheckpointError(
            f"{checkpoint.name} holds {count or 'no'} samplers (model.vision_sampler_layers.*), "
            f"but config.json says {expected}. It is incomplete; download all its shards."
        )
    start = _field(config, "start_of_vision_sampler_layers", file)
    stride = _field(config, "stride_of_vision_sampler_layers", file)
    sampled = tuple(start + stride * i for i in range(count))
    if sampled and sampled[-1] >= _field(config, "num_hidden_layers", file):
        raise CheckpointError(
            f"{file} puts a sampler after decoder layer {sampled[-1]}, but there are only "
            f"{config['num_hidden_layers']} layers."
        )
    return sampled


def _vision_width(checkpoint: Checkpoint) -> int:
    width = shape_of(checkpoint, "model.vision_query")[1]
    if width % HEADS:
        raise CheckpointError(
            f"{checkpoint.name}: the aggregator's width {width} is not a multiple of its {HEADS} "
            "attention heads. It is not a Cambrian-1 checkpoint."
        )
    return width


def _field(config: Mapping[str, Any], name: str, file: Path) -> Any:
    if config.get(name) is None:
        raise CheckpointError(
            f"{file} lacks {name!r}, which every Cambrian-1 checkpoint has. Download it again."
        )
    return config[name]


def shape_of(checkpoint: Checkpoint, key: str) -> tuple[int, ...]:
    """Return the shape of a tensor.

    Raises:
        CheckpointError: If the tensor is missing.
    """
    if key not in checkpoint:
        raise CheckpointError(
            f"{checkpoint.name} lacks the tensor {key!r}: it is incomplete or belongs to another "
            "model. Download the complete checkpoint."
        )
    return checkpoint.shapes[key]


def count_of(checkpoint: Checkpoint, pattern: str) -> int:
    """Return the number of different values of the pattern's group among the keys."""
    return len({m[1] for key in checkpoint.shapes if (m := re.match(pattern, key))})


def _square_root(count: int, file: Path) -> int:
    root = math.isqrt(count)
    if root * root != count:
        raise CheckpointError(f"{file}: {count} image tokens do not form a square grid.")
    return root
