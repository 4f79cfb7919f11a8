"""Loads `nyu-visionx/cambrian-8b` as published; every key must have its place."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from pixfoundation.hub import resolve_device, resolve_dtype
from pixfoundation.models.cambrian.aggregator import Aggregator
from pixfoundation.models.cambrian.key_map import module_name
from pixfoundation.models.cambrian.network import Cambrian
from pixfoundation.models.cambrian.sizes import CambrianSizes, TowerKind, read_sizes, shape_of
from pixfoundation.models.cambrian.tower_files import find_tower, tower_bytes
from pixfoundation.models.cambrian.towers import load_tower
from pixfoundation.models.common.checkpoints import Checkpoint, find_folder, read_json
from pixfoundation.models.common.llm_settings import stop_ids_of_folder
from pixfoundation.models.common.loading import empty_weights, load_into
from pixfoundation.models.common.placement import Placement, Quantization, quantize

_UNDIVIDED = ("LlamaDecoderLayer",)
_POSITIONS = 2048  # length of the key-value cache in the estimate of memory


def load(
    checkpoint_dir: str | Path,
    towers: str | Path | None = None,
    dtype: torch.dtype | str | None = torch.float16,
    *,
    device: torch.device | str | None = "cpu",
    tower_device: torch.device | str | None = None,
    quantization: Quantization | None = None,
    revision: str | None = None,
) -> Cambrian:
    """Load a Cambrian-1 checkpoint and its vision encoders.

    Args:
        checkpoint_dir: Folder or hub id of the checkpoint.
        towers: Folder that holds a folder for each encoder; None takes them from the hub.
        dtype: Precision of all weights, float16 as published; None for half precision on a GPU.
        device: Device of the language model and the aggregator; 'auto' divides the language model
            between all GPUs, None takes a GPU if there is one.
        tower_device: Device of the encoders; that of the aggregator by default.
        quantization: '8bit' or '4bit' (bitsandbytes) for the language model's layers.
        revision: Branch, tag or commit on the hub.

    Raises:
        CheckpointError: If a file or tensor is missing, truncated or of another size.
        PrerequisiteError: If memory or a package is missing, or the hub cannot be reached.
    """
    folder = find_folder(checkpoint_dir, revision)
    checkpoint = Checkpoint.open(folder)
    sizes = read_sizes(folder, checkpoint)
    tower_root = None if towers is None else Path(towers).expanduser()
    tower_folders = [find_tower(spec, tower_root) for spec in sizes.towers]
    target: torch.device | Literal["auto"] = (
        "auto" if device == "auto" else resolve_device(None if device is None else str(device))
    )
    if not isinstance(dtype, torch.dtype):
        dtype = resolve_dtype(dtype, torch.device("cuda") if target == "auto" else target)

    model = _empty(folder, checkpoint, sizes)
    if quantization is not None:
        quantize(model.llm, quantization, dtype, skip=("lm_head",))
    vision = sum(p.numel() for p in model.aggregator.parameters()) * dtype.itemsize
    encoding = sum(
        tower_bytes(spec, at, dtype) for spec, at in zip(sizes.towers, tower_folders, strict=True)
    )
    separate = None if tower_device is None else resolve_device(str(tower_device))
    plan = Placement.plan(
        model.llm,
        lambda _: dtype,
        target,
        _working_memory(model.llm, sizes, dtype),
        _UNDIVIDED,
        _free_memory(vision + (encoding if separate is None else 0)) if target == "auto" else None,
    )
    first = plan.device_of("model.embed_tokens.weight")
    for_towers = separate or first
    weights = {**plan.weights, first: plan.weights[first] + vision}
    weights[for_towers] = weights.get(for_towers, 0) + encoding
    replace(plan, weights=weights).announce(folder.name)

    encoders = [
        load_tower(spec, tower_folder, dtype=dtype, device=for_towers, clip_layer=sizes.clip_layer)
        for spec, tower_folder in zip(sizes.towers, tower_folders, strict=True)
    ]
    _fill(model, checkpoint, plan, first, dtype)
    return Cambrian(sizes, model.llm, model.aggregator, encoders, stop_ids_of_folder(folder))


def _free_memory(vision: int) -> dict[int, int]:
    """Return the free bytes by GPU, without the `vision` bytes that the first GPU must hold too."""
    free = {gpu: torch.cuda.mem_get_info(gpu)[0] for gpu in range(torch.cuda.device_count())}
    return {gpu: size - (vision if gpu == 0 else 0) for gpu, size in free.items()}


class _Model(nn.Module):
    """The two parts of a checkpoint."""

    def __init__(self, llm: Any, aggregator: Aggregator) -> None:
        super().__init__()
        self.llm = llm
        self.aggregator = aggregator


def _empty(folder: Path, checkpoint: Checkpoint, sizes: CambrianSizes) -> _Model:
    """Build the model without memory for its parameters."""
    from transformers import LlamaConfig, LlamaForCausalLM

    stored = read_json(folder / "config.json")
    stored["vocab_size"] = shape_of(checkpoint, "model.embed_tokens.weight")[0]
    config = LlamaConfig.from_dict({k: v for k, v in stored.items() if not k.startswith("mm_")})
    with empty_weights():
        return _Model(LlamaForCausalLM(config), Aggregator(sizes))


def _fill(
    model: _Model, checkpoint: Checkpoint, plan: Placement, first: torch.device, dtype: torch.dtype
) -> None:
    """Read the checkpoint into the model."""

    def device_of(name: str) -> torch.device:
        inner = name.removeprefix("llm.")
        return first if inner == name else plan.device_of(inner)

    tied = bool(model.llm.config.tie_word_embeddings)
    load_into(
        model,
        checkpoint,
        rename=module_name,
        ignorable=[r"rotary_emb\.inv_freq$"],
        elsewhere=[r"^llm\.lm_head\.weight$"] if tied else [],
        dtype=dtype,
        device=device_of,
    )
    if tied:
        model.llm.tie_weights()
    plan.finish(model.llm)
    model.eval().requires_grad_(False)


def _working_memory(llm: Any, sizes: CambrianSizes, dtype: torch.dtype) -> int:
    """Estimate the bytes that a run needs in addition to the weights.

    Counted are the keys and values of an answer, and ConvNeXt's first stage, which dominates the
    encoders: one cell per 4 x 4 pixels, a fifteenth of all channels, widened four times, twice,
    and some copies.
    """
    config = llm.config
    cache = 2 * config.num_hidden_layers * config.num_key_value_heads * config.head_dim * _POSITIONS
    stages = [
        (tower.resolution // 4) ** 2 * (tower.width // 15) * 10
        for tower in sizes.towers
        if tower.kind is TowerKind.CONVNEXT and tower.resolution
    ]
    return (cache + max(stages, default=0)) * dtype.itemsize
