"""The structure of a Cambrian checkpoint: its towers, grids and samplers.

Sizes come from the tensors; names, grids and the place of the image come from config.json, with the
field names of `cambrian-mllm/cambrian` (checked against its training script, since config.json of
`nyu-visionx/cambrian-8b` repeats it).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pixfoundation.errors import CheckpointError
from pixfoundation.models.common.checkpoints import Checkpoint, read_json

TowerKind = Literal["siglip", "clip", "dinov2", "convnext"]

HEADS = 16  # attention heads of the aggregator: fixed in the published code, stored nowhere
DINOV2_BY_WIDTH = {384: "small", 768: "base", 1024: "large", 1536: "giant"}
SIGLIP_HUB = "timm/ViT-SO400M-14-SigLIP-384"
CONVNEXT_HUB = {
    "XXL": "laion/CLIP-convnext_xxlarge-laion2B-s34B-b82K-augreg-soup",
    "L": "laion/CLIP-convnext_large_d_320.laion2B-s29B-b131K-ft-soup",
}
CONVNEXT_RESOLUTION = 1024  # if the name gives no resolution
_NUMBERED = re.compile(r"(res|interp)(\d+)$")


@dataclass(frozen=True, slots=True)
class TowerSpec:
    """One of the vision encoders of a checkpoint.

    Attributes:
        index: Its index in the list, which is also its number in the keys.
        kind: Its architecture.
        name: Its name in config.json.
        hub: Hub id of its weights.
        width: Channels that its projection expects.
        side: Cells along a side of its output grid.
        resolution: Side of its input in pixels if the name says so; the tower's own otherwise.
        stages: Whether all stages of a ConvNeXt are used, not only the last.
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
class CambrianLayout:
    """The structure of one checkpoint.

    Attributes:
        towers: The vision encoders, in order.
        side: Cells along a side of the image grid in the language model (24).
        query_sides: Cells along a side of the grid of each group of queries of the connector.
        connector_depths: Layers of the connector, by query group.
        vision_width: Width of the aggregator (1024).
        width: Width of the language model (4096).
        sampled: Decoder layers that are followed by a sampler, in order; empty without samplers.
        image_position: Index of the image in the prompt for which the samplers were trained.
        clip_layer: Index of the hidden state of CLIP that is used (-2).
        max_tokens: Longest prompt with the image; None if unlimited.
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
        """Return, for each tower, the number of its cells along a side that one query sees."""
        return tuple(tower.side // side for tower in self.towers)


def read_layout(folder: Path, checkpoint: Checkpoint) -> CambrianLayout:
    """Read the layout from config.json and the shapes of the tensors.

    Raises:
        CheckpointError: If the folder is not a Cambrian checkpoint with a spatial vision
            aggregator, lacks its samplers, or names an unknown tower.
    """
    file = folder / "config.json"
    config = read_json(file)
    if config.get("mm_projector_type") != "sva":
        raise CheckpointError(
            f"{file} describes no Cambrian-1 model with a spatial vision aggregator: "
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
                    f"shared out among {grid} x {grid} queries."
                )
    depths = tuple(
        count_of(checkpoint, rf"^model\.vision_sampler_{group}\.layers\.(\d+)\.")
        for group in range(len(query_sides))
    )
    if 0 in depths:
        raise CheckpointError(
            f"{folder} lacks the connector model.vision_sampler_{depths.index(0)}.*, without which "
            "Cambrian cannot see. Get the complete checkpoint."
        )
    return CambrianLayout(
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

    Which DINOv2 it is follows from the width, since the paper's table and the published
    configuration disagree.

    Raises:
        CheckpointError: If Cambrian-1 8B does not use such an encoder.
    """
    numbers = {m[1]: int(m[2]) for part in name.split("-") if (m := _NUMBERED.match(part))}
    base = "-".join(part for part in name.split("-") if not _NUMBERED.match(part))
    resolution = numbers.get("res")
    lower = name.lower()
    if "openai/clip" in lower:
        return TowerSpec(index, "clip", name, base, width, side, resolution)
    if "siglip" in lower:
        return TowerSpec(index, "siglip", name, SIGLIP_HUB, width, side, resolution)
    if "clip-convnext" in lower:
        hub = CONVNEXT_HUB["XXL" if "xxl" in lower else "L"]
        stages = "multi-stage" in lower
        resolution = resolution or CONVNEXT_RESOLUTION
        return TowerSpec(index, "convnext", name, hub, width, side, resolution, stages)
    if "dinov2" in lower:
        size = DINOV2_BY_WIDTH.get(width)
        hub = f"facebook/dinov2-{size}" if size else base
        return TowerSpec(index, "dinov2", name, hub, width, side, resolution)
    raise CheckpointError(
        f"The vision tower {name!r} is none of those of Cambrian-1 8B "
        "(SigLIP, OpenAI's CLIP, DINOv2, CLIP-ConvNeXt)."
    )


def _sampled_layers(
    config: Mapping[str, Any], checkpoint: Checkpoint, file: Path
) -> tuple[int, ...]:
    """Return the decoder layers that are followed by a sampler."""
    stored = count_of(checkpoint, r"^model\.vision_sampler_layers\.(\d+)\.")
    if config.get("connector_only", False):
        return ()
    promised = _field(config, "num_of_vision_sampler_layers", file)
    if stored != promised:
        raise CheckpointError(
            f"{checkpoint.name} holds {stored or 'no'} samplers (model.vision_sampler_layers.*), "
            f"but config.json promises {promised}. It is incomplete; get all its shards."
        )
    start = _field(config, "start_of_vision_sampler_layers", file)
    stride = _field(config, "stride_of_vision_sampler_layers", file)
    sampled = tuple(start + stride * i for i in range(stored))
    if sampled and sampled[-1] >= _field(config, "num_hidden_layers", file):
        raise CheckpointError(
            f"{file} puts a sampler behind decoder layer {sampled[-1]}, but there are only "
            f"{config['num_hidden_layers']} layers."
        )
    return sampled


def _vision_width(checkpoint: Checkpoint) -> int:
    width = shape_of(checkpoint, "model.vision_query")[1]
    if width % HEADS:
        raise CheckpointError(
            f"{checkpoint.name}: the aggregator is {width} wide, which {HEADS} attention heads "
            "cannot share evenly. It is no Cambrian-1 checkpoint."
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
        CheckpointError: If it is missing.
    """
    if key not in checkpoint:
        raise CheckpointError(
            f"{checkpoint.name} lacks the tensor {key!r}: it is incomplete, or of another model. "
            "Get the complete checkpoint."
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
