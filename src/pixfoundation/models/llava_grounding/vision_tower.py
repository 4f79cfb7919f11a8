"""CLIP's configuration, and its weights if the checkpoint does not hold them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from transformers import CLIPVisionConfig

from pixfoundation.errors import CheckpointError, PrerequisiteError
from pixfoundation.existence import isdir
from pixfoundation.models.common.checkpoints import Checkpoint, find_folder, read_json
from pixfoundation.models.common.clip_tower import VISION_PREFIX

_PREFIX = "model.vision_tower.vision_tower.vision_model."
_OPENAI_HEAD = 64  # channels of an attention head in every CLIP of OpenAI


class Tower(NamedTuple):
    """The source of CLIP.

    Attributes:
        config: Its configuration.
        weights: Its own files; None if its weights are in the checkpoint of the model.
    """

    config: CLIPVisionConfig
    weights: Checkpoint | None


def find_tower(
    settings: Mapping[str, Any], checkpoint: Checkpoint, source: str | Path | None
) -> Tower:
    """Find CLIP.

    Where the weights are in the checkpoint, as published, only a configuration is missing; for a
    CLIP of OpenAI it follows from their shapes.

    Args:
        settings: The checkpoint's config.json.
        checkpoint: The checkpoint.
        source: Folder or hub id of CLIP; what the settings name if None.

    Raises:
        CheckpointError: If no CLIP is named, its files are damaged, or configuration and weights
            disagree.
        PrerequisiteError: If the hub is needed and cannot be reached.
    """
    named = source or settings.get("mm_vision_tower")
    has_clip = any(key.startswith(_PREFIX) for key in checkpoint.shapes)
    if has_clip and source is None and _is_openai(named):
        return Tower(_config_of_shapes(checkpoint, _PREFIX), None)
    if not named:
        raise CheckpointError(
            f"The config.json of {checkpoint.name} names no CLIP (mm_vision_tower). "
            "Give its folder or hub id as the vision tower."
        )
    weights = None
    if has_clip:
        config = CLIPVisionConfig.from_dict(_settings_of(str(named)))
        told = _config_of_shapes(checkpoint, _PREFIX)
    else:
        folder = find_folder(named)
        weights = Checkpoint.open(folder)
        config = CLIPVisionConfig.from_dict(_settings_of(str(folder)))
        whole = any(key.startswith(VISION_PREFIX) for key in weights.shapes)
        told = _config_of_shapes(weights, VISION_PREFIX if whole else "")
    if _sizes(config) != _sizes(told):
        where = checkpoint.name if weights is None else weights.name
        raise CheckpointError(
            f"The CLIP of {named} has width {config.hidden_size}, patches of {config.patch_size} "
            f"pixels, images of {config.image_size} and {config.num_hidden_layers} layers; the one "
            f"in {where} has {told.hidden_size}, {told.patch_size}, {told.image_size} and "
            f"{told.num_hidden_layers}. Give the CLIP that the checkpoint was trained with "
            f"({settings.get('mm_vision_tower')})."
        )
    return Tower(config, weights)


def _is_openai(named: Any) -> bool:
    return str(named).startswith("openai/") and not isdir(str(named))


def _config_of_shapes(checkpoint: Checkpoint, prefix: str) -> CLIPVisionConfig:
    shapes = checkpoint.shapes
    try:
        width, _, patch, _ = shapes[f"{prefix}embeddings.patch_embedding.weight"]
        positions, _ = shapes[f"{prefix}embeddings.position_embedding.weight"]
        hidden, _ = shapes[f"{prefix}encoder.layers.0.mlp.fc1.weight"]
    except (KeyError, ValueError) as error:
        raise CheckpointError(
            f"{checkpoint.name} holds no complete CLIP under {prefix!r}. Download it again."
        ) from error
    layers = 0
    while f"{prefix}encoder.layers.{layers}.mlp.fc1.weight" in shapes:
        layers += 1
    return CLIPVisionConfig(
        hidden_size=width,
        intermediate_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=max(width // _OPENAI_HEAD, 1),
        image_size=patch * math.isqrt(positions - 1),
        patch_size=patch,
    )


def _sizes(config: CLIPVisionConfig) -> tuple[Any, ...]:
    return (config.hidden_size, config.patch_size, config.image_size, config.num_hidden_layers)


def _settings_of(source: str) -> dict[str, Any]:
    """Read config.json of a CLIP, or of its vision tower alone, from a folder or the hub."""
    if isdir(source):
        file = Path(source) / "config.json"
    else:
        from huggingface_hub import hf_hub_download

        try:
            file = Path(hf_hub_download(source, "config.json"))
        except Exception as error:  # the client raises many kinds; all mean 'not there'
            raise PrerequisiteError(
                f"The configuration of CLIP could not be had from {source} "
                f"({type(error).__name__}). Give the folder of openai/clip-vit-large-patch14 as "
                "the vision tower."
            ) from error
    content = read_json(file)
    return content.get("vision_config", content)
