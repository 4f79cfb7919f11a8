"""Loads a published Sa2VA into `network.Sa2va`, or explains why it cannot."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch

from pixfoundation.errors import CheckpointError
from pixfoundation.hub import WeightOptions, resolve_device, resolve_dtype
from pixfoundation.models.common.checkpoints import Checkpoint, read_json, some
from pixfoundation.models.common.loading import Rename, empty_weights, load_into
from pixfoundation.models.common.placement import Placement, Quantization, quantize
from pixfoundation.models.common.sam2.loading import Sam2Layout, find_sam2
from pixfoundation.models.common.sam2.sizes import GivenSizes, Sam2Sizes
from pixfoundation.models.sa2va.key_map import (
    HEAD,
    IGNORABLE,
    LORA,
    SAM2,
    Heads,
    intern_names,
    qwen_names,
    split,
)
from pixfoundation.models.sa2va.network import Sa2va
from pixfoundation.models.sa2va.settings import WORKING, Kind, Settings, read_settings

UNDIVIDED = (
    "InternVLVisionLayer",
    "Qwen2DecoderLayer",
    "Qwen3DecoderLayer",
    "LlamaDecoderLayer",
    "Qwen2_5_VLVisionBlock",
    "Qwen2_5_VLDecoderLayer",
    "Qwen3VLVisionBlock",
    "Qwen3VLTextDecoderLayer",
    "Sam2MultiScaleBlock",
    "Sam2MaskDecoder",
    "Sam2PromptEncoder",
)
"""Classes of modules that are not divided between GPUs."""

NOT_QUANTIZED = (
    "vision_tower",
    "visual",
    "multi_modal_projector",
    "text_hidden_fcs",
    "sam",
    "lm_head",
)
"""Parts that keep their precision; the published code fails if SAM 2 is quantised."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sa2vaOptions(WeightOptions):
    """How a checkpoint is loaded; see also `WeightOptions`. The dtype is bfloat16 on a GPU.

    Attributes:
        checkpoint: Folder or hub id of the weights, if the model is named by a short name.
        quantization: '8bit' or '4bit' (bitsandbytes) for the language model's layers.
        sam2_sizes: Sizes of SAM 2 that no tensor tells, as a mapping or a JSON file: `heads`,
            `windows`, `global_blocks`, `image_size`; those of the published SAM 2 by default.
    """

    checkpoint: str | None = None
    quantization: Quantization | None = None
    sam2_sizes: GivenSizes | None = None


class Loaded(NamedTuple):
    """A loaded checkpoint.

    Attributes:
        network: The network.
        settings: How it is asked.
        sam2: The sizes of SAM 2 that no tensor tells.
    """

    network: Sa2va
    settings: Settings
    sam2: Sam2Sizes


def load_network(folder: Path, options: Sa2vaOptions | None = None) -> Loaded:
    """Load a checkpoint.

    Args:
        folder: The folder in the published layout.
        options: Precision, device and sizes.

    Raises:
        CheckpointError: If a file is missing, truncated or belongs to another model.
        PrerequisiteError: If a package or memory is missing.
    """
    options = options or Sa2vaOptions()
    checkpoint = Checkpoint.open(folder)
    _check_parts(checkpoint)
    file = folder / "config.json"
    settings = read_settings(read_json(file), checkpoint.shapes, file)
    layout = find_sam2(checkpoint.shapes, str(folder), options.sam2_sizes)
    device = options.device
    target = "auto" if device == "auto" else resolve_device(device)
    dtype = _resolve_dtype(options.dtype, target)
    with empty_weights():
        network = Sa2va(settings, layout.config)
    if options.quantization is not None:
        quantize(network, options.quantization, dtype, NOT_QUANTIZED)
    placement = Placement.plan(
        network, lambda _: dtype, target, working_memory(network, dtype), UNDIVIDED
    )
    placement.announce(folder.name)
    load_into(
        network,
        checkpoint,
        rename=_rename(settings, layout),
        convert=split(_heads(settings)),
        ignorable=IGNORABLE,
        dtype=dtype,
        device=placement.device_of,
    )
    placement.finish(network)
    return Loaded(network.eval().requires_grad_(False), settings, layout.sizes)


def working_memory(network: Sa2va, dtype: torch.dtype, positions: int = 4096) -> int:
    """Estimate the bytes that a run takes in addition to the weights.

    They hold the keys and values of a prompt with all tiles, and the finest features of SAM 2's
    encoder with the widened ones of its feed-forward part.
    """
    llm: Any = network.mllm.config.get_text_config()
    head = getattr(llm, "head_dim", None) or llm.hidden_size // llm.num_attention_heads
    cache = 2 * llm.num_hidden_layers * llm.num_key_value_heads * head * positions
    trunk = network.sam.config.vision_config.backbone_config
    features = (network.sam_side // 4) ** 2 * trunk.hidden_size * 8
    return (cache + features) * dtype.itemsize


def _check_parts(checkpoint: Checkpoint) -> None:
    """Say what a checkpoint is if it is not a whole Sa2VA."""
    updates = [key for key in checkpoint.shapes if LORA.search(key)]
    if updates:
        raise CheckpointError(
            f"{checkpoint.name} holds a low-rank update (LoRA) that is not merged into the "
            f"weights: {some(updates)}. Merge it with the authors' tools/convert_to_hf.py."
        )
    if not any(key.startswith(SAM2) for key in checkpoint.shapes):
        raise CheckpointError(
            f"{checkpoint.name} has no tensors under {SAM2}, so it has no SAM 2 and could draw no "
            f"mask. It is another model, or a part of a checkpoint. Published ones are {WORKING}."
        )


def _resolve_dtype(dtype: str | None, target: torch.device | Literal["auto"]) -> torch.dtype:
    on_cpu = target != "auto" and target.type == "cpu"
    return resolve_dtype(dtype or ("float32" if on_cpu else "bfloat16"), torch.device("cpu"))


def _heads(settings: Settings) -> Heads | None:
    if settings.kind is not Kind.INTERNVL_INTERNLM2:
        return None
    text = settings.config.text_config
    return Heads(text.num_attention_heads, text.num_key_value_heads)


def _rename(settings: Settings, layout: Sam2Layout) -> Rename:
    internlm2 = settings.kind is Kind.INTERNVL_INTERNLM2

    def rename(key: str) -> tuple[str, ...]:
        if key.startswith(SAM2):
            return layout.names(key, "sam.")
        if key.startswith(HEAD):
            return (key,)
        if settings.kind.is_internvl:
            return intern_names(key, internlm2=internlm2)
        return qwen_names(key)

    return rename
