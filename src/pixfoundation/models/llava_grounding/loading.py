"""A published checkpoint folder, loaded: every key accounted for, sizes read from the files."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn
from transformers import CLIPVisionConfig, CLIPVisionModel, LlamaConfig, LlamaForCausalLM

from pixfoundation.errors import CheckpointError, PrerequisiteError
from pixfoundation.hub import resolve_dtype
from pixfoundation.models.checkpoints import Checkpoint, find_folder, read_json
from pixfoundation.models.llava_grounding import layout
from pixfoundation.models.llava_grounding.core import LlavaGrounding
from pixfoundation.models.llava_grounding.segmenter import Segmenter
from pixfoundation.models.llava_grounding.sizes import QUERIES, segmenter_sizes
from pixfoundation.models.llava_grounding.tags import find_tags
from pixfoundation.models.loading import empty_weights, load_into
from pixfoundation.models.placement import Placement

_TOWER = "model.vision_tower.vision_tower.vision_model."
_OPENAI_HEAD = 64  # channels of an attention head in every CLIP of OpenAI
_UNDIVIDED = ("LlamaDecoderLayer", "CLIPEncoderLayer", "Segmenter")  # between GPUs
_SEGMENTER_WORK = 3 << 29  # at 1024 pixels, in float32, as measured on a CPU
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
    queries: int = QUERIES,
    revision: str | None = None,
) -> LlavaGrounding:
    """Loads a checkpoint in its published layout.

    What it needs is said first. Shards are read one after the other into the run's dtype, so that
    the peak of memory is the model and one shard.

    Args:
        checkpoint_dir: A folder, or a hub id such as 'Haozhangcx/llava_grounding_gd_vp'.
        vision_tower: Folder or hub id of CLIP. Only its configuration is read: the weights are in
            the checkpoint. By default what the checkpoint's configuration names.
        dtype: Of CLIP, the projector and the language model; the segmenter is always float32.
        device: Where the weights go; 'auto' fills all GPUs.
        queries: Object queries an image; 300 in the published configuration.
        revision: Of the hub repository.

    Raises:
        CheckpointError: If a file is missing, damaged or of another model or size.
        PrerequisiteError: If memory, a package or the hub is missing.
    """
    run_dtype = resolve_dtype(dtype, torch.device("cpu")) if isinstance(dtype, str) else dtype

    def dtype_of(name: str) -> torch.dtype:
        return torch.float32 if name.startswith("segmenter.") else run_dtype

    folder = find_folder(checkpoint_dir, revision)
    settings = read_json(folder / "config.json")
    checkpoint = Checkpoint.open(folder)
    sizes = segmenter_sizes(checkpoint.shapes, queries)
    llama = _llama_config(settings, checkpoint)
    tower = _tower_config(settings, checkpoint, vision_tower)
    layout.check_copies(checkpoint)
    with empty_weights():
        model = LlavaGrounding(
            CLIPVisionModel(tower),
            nn.Linear(tower.hidden_size, llama.hidden_size),
            LlamaForCausalLM(llama),
            Segmenter(sizes),
            tags=find_tags(folder, llama.vocab_size),
            select_layer=int(settings.get("mm_vision_select_layer", -2)),
        )

    where = "auto" if device == "auto" else torch.device(device)
    placement = Placement.plan(
        model, dtype_of, where, _working_memory(llama, run_dtype), _UNDIVIDED
    )
    placement.announce(folder.name)
    load_into(
        model,
        checkpoint,
        rename=layout.rename,
        convert=layout.convert,
        ignorable=layout.IGNORABLE,
        dtype=dtype_of,
        device=placement.device_of,
    )
    placement.finish(model)
    return model.eval().requires_grad_(False)


def _working_memory(llama: LlamaConfig, dtype: torch.dtype) -> int:
    """Estimates bytes beside the weights: keys and values of a full context, and the segmenter."""
    places = llama.num_hidden_layers * llama.max_position_embeddings
    return 2 * places * llama.hidden_size * dtype.itemsize + _SEGMENTER_WORK


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
                f"{config.vocab_size}. Weights and configuration are of different checkpoints; "
                "download both again."
            )
    return config


def _tower_config(
    settings: Mapping[str, Any], checkpoint: Checkpoint, source: str | Path | None
) -> CLIPVisionConfig:
    """Returns the configuration of CLIP, checked against the weights in the checkpoint."""
    shapes = checkpoint.shapes
    try:
        width, _, patch, _ = shapes[_TOWER + "embeddings.patch_embedding.weight"]
        positions, _ = shapes[_TOWER + "embeddings.position_embedding.weight"]
        hidden, _ = shapes[_TOWER + "encoder.layers.0.mlp.fc1.weight"]
    except (KeyError, ValueError) as error:
        raise CheckpointError(
            f"{checkpoint.name} holds no CLIP under {_TOWER!r}. Give the complete checkpoint "
            "in its published layout, such as Haozhangcx/llava_grounding_gd_vp."
        ) from error
    layers = sum(
        _TOWER + f"encoder.layers.{i}.mlp.fc1.weight" in shapes for i in range(len(shapes))
    )
    image = patch * math.isqrt(positions - 1)
    named = source or settings.get("mm_vision_tower")
    if source is None and str(named).startswith("openai/") and not Path(str(named)).is_dir():
        return CLIPVisionConfig(
            hidden_size=width,
            intermediate_size=hidden,
            num_hidden_layers=layers,
            num_attention_heads=max(width // _OPENAI_HEAD, 1),
            image_size=image,
            patch_size=patch,
        )
    if not named:
        raise CheckpointError(
            f"The config.json of {checkpoint.name} names no CLIP (mm_vision_tower). "
            "Give its folder or hub id as the vision tower."
        )
    config = CLIPVisionConfig.from_dict(_clip_settings(str(named)))
    there = (config.hidden_size, config.patch_size, config.image_size, config.num_hidden_layers)
    if there != (width, patch, image, layers):
        raise CheckpointError(
            f"The CLIP of {named} has width {there[0]}, patches of {there[1]} pixels, images of "
            f"{there[2]} and {there[3]} layers; the one in {checkpoint.name} has {width}, {patch}, "
            f"{image} and {layers}. Give the CLIP that the checkpoint was trained with"
            f" ({settings.get('mm_vision_tower')})."
        )
    return config


def _clip_settings(source: str) -> dict[str, Any]:
    """Reads config.json of a CLIP, or of its vision tower alone, from a folder or the hub."""
    if Path(source).is_dir():
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
