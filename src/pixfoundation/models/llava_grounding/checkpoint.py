"""Loads a published checkpoint folder; sizes come from its files, every key must have its place."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn
from transformers import CLIPVisionModel, LlamaConfig, LlamaForCausalLM

from pixfoundation.errors import CheckpointError
from pixfoundation.hub import resolve_dtype
from pixfoundation.models.common.checkpoints import Checkpoint, find_folder, read_json
from pixfoundation.models.common.clip_tower import load_clip_tower
from pixfoundation.models.common.loading import empty_weights, load_into
from pixfoundation.models.common.placement import Placement
from pixfoundation.models.llava_grounding import key_map as layout
from pixfoundation.models.llava_grounding import vision_tower as tower
from pixfoundation.models.llava_grounding.network import LlavaGrounding
from pixfoundation.models.llava_grounding.segmenter import Segmenter
from pixfoundation.models.llava_grounding.sizes import (
    LEVELS,
    POINTS,
    SegmenterSizes,
    segmenter_sizes,
)
from pixfoundation.models.llava_grounding.tags import find_tags
from pixfoundation.models.llava_grounding.vision_config import find_vision_config

_UNDIVIDED = ("LlamaDecoderLayer", "CLIPEncoderLayer", "Segmenter")  # between GPUs
_LLAMA_SETTINGS = (
    "vocab_size",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "hidden_act",
    "max_position_embeddings",
    "rms_norm_eps",
    "rope_theta",
    "rope_scaling",
    "bos_token_id",
    "eos_token_id",
)


def load(
    checkpoint_dir: str | Path,
    *,
    vision_tower: str | Path | None = None,
    dtype: torch.dtype | str = torch.float16,
    device: torch.device | Literal["auto"] | str = "cpu",
    queries: int | None = None,
    vision_config: str | Path | None = None,
    revision: str | None = None,
) -> LlavaGrounding:
    """Load a checkpoint in its published layout.

    The memory that it needs is logged first. Shards are read one after the other into the final
    precision, so that the peak of memory is the model and one shard.

    Args:
        checkpoint_dir: A folder, or a hub id such as 'Haozhangcx/llava_grounding_gd_vp'.
        vision_tower: Folder or hub id of CLIP; the one that the checkpoint names by default. Its
            weights are read only if the checkpoint does not hold them; the published one does.
        dtype: Precision of CLIP, the projector and the language model; the segmenter is always
            float32.
        device: Device of the weights; 'auto' fills all GPUs.
        queries: Object queries per image; the number of the vision configuration by default.
        vision_config: The original's YAML file with the settings of the segmenter; by default the
            one in the checkpoint's folder, or the published settings if there is none.
        revision: Branch, tag or commit of the hub repository.

    Raises:
        CheckpointError: If a file is missing, damaged or belongs to another model.
        PrerequisiteError: If memory, a package or the hub is missing.
    """
    run_dtype = resolve_dtype(dtype, torch.device("cpu")) if isinstance(dtype, str) else dtype

    def dtype_of(name: str) -> torch.dtype:
        return torch.float32 if name.startswith("segmenter.") else run_dtype

    folder = find_folder(checkpoint_dir, revision)
    settings = read_json(folder / "config.json")
    checkpoint = Checkpoint.open(folder)
    vision = find_vision_config(folder, vision_config)
    sizes = segmenter_sizes(checkpoint.shapes, queries or vision.queries)
    llama = _llama_config(settings, checkpoint)
    clip = tower.find_tower(settings, checkpoint, vision_tower)
    layout.check_copies(checkpoint)
    with empty_weights():
        model = LlavaGrounding(
            CLIPVisionModel(clip.config),
            nn.Linear(clip.config.hidden_size, llama.hidden_size),
            LlamaForCausalLM(llama),
            Segmenter(sizes),
            tags=find_tags(folder, llama.vocab_size),
            select_layer=int(settings.get("mm_vision_select_layer", -2)),
        )

    where = "auto" if device == "auto" else torch.device(device)
    working = _cache_memory(llama, run_dtype) + _segmenter_memory(sizes, vision.image_side)
    placement = Placement.plan(model, dtype_of, where, working, _UNDIVIDED)
    placement.announce(folder.name)
    load_into(
        model,
        checkpoint,
        rename=layout.rename,
        convert=layout.convert,
        ignorable=layout.IGNORABLE,
        elsewhere=[r"^vision_tower\."] if clip.weights else [],
        dtype=dtype_of,
        device=placement.device_of,
    )
    if clip.weights:
        load_clip_tower(
            model.vision_tower,
            clip.weights,
            run_dtype,
            lambda name: placement.device_of(f"vision_tower.{name}"),
        )
    placement.finish(model)
    return model.eval().requires_grad_(False)


def _cache_memory(llama: LlamaConfig, dtype: torch.dtype) -> int:
    """Return the bytes of keys and values of a full context."""
    places = llama.num_hidden_layers * llama.max_position_embeddings
    return 2 * places * llama.hidden_size * dtype.itemsize


def _segmenter_memory(sizes: SegmenterSizes, side: int) -> int:
    """Estimate the bytes that the segmenter needs for the samples of its deformable attention.

    Every cell samples all points of all levels, in float32; four and a half such arrays, as
    measured at 1024 pixels (1.6 GB).
    """
    cells = side**2 * 85 // 4096  # of strides 8, 16, 32 and 64
    return cells * LEVELS * POINTS * sizes.width * 18


def _llama_config(settings: Mapping[str, Any], checkpoint: Checkpoint) -> LlamaConfig:
    known = {name: settings[name] for name in _LLAMA_SETTINGS if settings.get(name) is not None}
    known["attn_implementation"] = "eager"  # scores depend on the states: stay with the original
    try:
        config = LlamaConfig(**known)
    except Exception as error:  # several validators, each with errors of its own
        raise CheckpointError(
            f"The config.json of {checkpoint.name} does not describe a Llama model: {error}"
        ) from error
    for key in ("model.embed_tokens.weight", "lm_head.weight"):
        rows = checkpoint.shapes.get(key, (config.vocab_size,))[0]
        if rows != config.vocab_size:
            raise CheckpointError(
                f"{checkpoint.name}: {key!r} has {rows} rows, but config.json says vocab_size "
                f"{config.vocab_size}. Weights and configuration belong to different checkpoints; "
                "download both again."
            )
    return config
