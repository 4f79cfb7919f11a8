"""Loads a checkpoint of UniGR or UniPixel into `PixelQwen`, or explains why it cannot."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import torch
from torch import nn

from pixfoundation.errors import CheckpointError
from pixfoundation.hub import Source as HubSource
from pixfoundation.hub import WeightOptions, explained, resolve_device, resolve_dtype
from pixfoundation.models.common.checkpoints import Checkpoint, read_json, some
from pixfoundation.models.common.loading import empty_weights, load_into
from pixfoundation.models.common.placement import Placement, Quantization, quantize
from pixfoundation.models.common.qwen_pixel.key_names import qwen_name
from pixfoundation.models.common.qwen_pixel.network import PixelFamily, PixelQwen
from pixfoundation.models.common.sam2.loading import Sam2Layout, find_sam2
from pixfoundation.models.common.sam2.sizes import GivenSizes

if TYPE_CHECKING:
    from transformers import Qwen2_5_VLConfig

UNDIVIDED = ("Qwen2_5_VLDecoderLayer", "Qwen2_5_VLVisionBlock", "Sam2Model", "Sequential")
NOT_QUANTIZED = ("visual", "lm_head", "sam", "head")
_NOT_OF_THE_MODEL = ("architectures", "auto_map", "model_type", "torch_dtype", "dtype")
_EMBEDDING = "model.language_model.embed_tokens.weight"

HeadOf = Callable[[Mapping[str, tuple[int, ...]]], nn.Module]
"""Builds a head from the shapes of its tensors, named as the checkpoint names them in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelOptions(WeightOptions):
    """Which weights are loaded, and how; see also `WeightOptions`.

    Attributes:
        quantization: '8bit' or '4bit' (bitsandbytes, on a GPU) for the layers of the language
            model; None for none.
        sam2_sizes: Sizes of SAM 2 that no tensor tells, as a mapping or a JSON file: `heads`,
            `windows`, `global_blocks`, `image_size`, `decoder_heads`; the published ones by
            default.
        rotary: 'exact', or 'bfloat16' to round the rotary frequencies of both towers, as a
            conversion of the whole model to bfloat16 does.
    """

    quantization: Quantization | None = None
    sam2_sizes: Mapping[str, Any] | str | Path | None = None
    rotary: Literal["exact", "bfloat16"] = "exact"


class Layout(NamedTuple):
    """Where the tensors of a checkpoint go.

    Attributes:
        family: What distinguishes the family.
        sam: Its SAM 2.
        iou_head_depth: Layers of SAM 2's IoU head.
        unused: Regular expressions of tensors of the family that still images do not need.
    """

    family: PixelFamily
    sam: Sam2Layout
    unused: tuple[str, ...]

    def rename(self, key: str) -> tuple[str, ...]:
        """Return the name(s) in `PixelQwen` of a tensor; empty if it has no place there."""
        if key.startswith(self.sam.prefix):
            return self.sam.names(key, "sam.")
        if key.startswith(self.family.head):
            return (f"head.{key.removeprefix(self.family.head)}",)
        return (f"mllm.{qwen_name(key)}",)

    def is_needed(self, key: str) -> bool:
        """Return whether a tensor is needed for still images and answers."""
        return not self.sam.ignores(key) and not any(re.match(p, key) for p in self.unused)


def load_network(
    family: PixelFamily,
    folder: Path,
    options: PixelOptions,
    head_of: HeadOf,
    unused: tuple[str, ...] = (),
) -> PixelQwen:
    """Load a checkpoint.

    Args:
        family: The family that it belongs to.
        folder: Folder in the published layout.
        options: Files, precision and device.
        head_of: Builds the family's head.
        unused: Regular expressions of tensors that still images do not need.

    Raises:
        CheckpointError: If a file is missing, truncated or belongs to another model.
        DataError: If an option is not valid.
        PrerequisiteError: If a package or memory is missing.
    """
    refuse_adapters(folder)
    raw = read_json(folder / "config.json")
    checkpoint = Checkpoint.open(folder)
    _check_family(family, checkpoint)
    qwen = _qwen_config(folder, raw, checkpoint)
    side = raw.get("sam2_image_size")
    default = {"image_size": side} if isinstance(side, int) else {}
    sam = find_sam2(checkpoint.shapes, str(folder), options.sam2_sizes, **default)
    layout = Layout(family, sam, unused)
    head_shapes = {
        key.removeprefix(family.head): shape
        for key, shape in checkpoint.shapes.items()
        if key.startswith(family.head)
    }
    target = "auto" if options.device == "auto" else resolve_device(options.device)
    dtype = _resolve_dtype(options.dtype, target)

    def dtype_of(name: str) -> torch.dtype:
        overflows = dtype == torch.float16 and name.startswith("sam.")
        return torch.float32 if overflows else dtype

    with empty_weights():
        model = PixelQwen(family, qwen, sam.config, head_of(head_shapes))
    if options.quantization is not None:
        quantize(model, options.quantization, dtype, NOT_QUANTIZED)
    placement = Placement.plan(model, dtype_of, target, _working_memory(qwen, dtype), UNDIVIDED)
    placement.announce(folder.name)
    tied = qwen.tie_word_embeddings and "lm_head.weight" not in checkpoint
    needed = Checkpoint(
        checkpoint.name,
        {key: shape for key, shape in checkpoint.shapes.items() if layout.is_needed(key)},
        checkpoint.files,
    )
    load_into(
        model,
        needed,
        rename=layout.rename,
        ignorable=[r"rotary_emb\.inv_freq$", r"rotary_pos_emb\.inv_freq$"],
        elsewhere=[r"^mllm\.lm_head\."] if tied else [],
        dtype=dtype_of,
        device=placement.device_of,
    )
    if tied:
        model.mllm.lm_head.weight = model.mllm.get_input_embeddings().weight
    placement.finish(model)
    model.sam_sizes = sam.sizes
    if options.rotary == "bfloat16":
        round_rotary(model)
    return model.eval().requires_grad_(False)


def round_rotary(model: PixelQwen) -> None:
    """Round the rotary frequencies of both towers to bfloat16."""
    trunk = model.mllm.model
    for table in (trunk.visual.rotary_pos_emb, trunk.language_model.rotary_emb):
        for frequencies in (table.inv_freq, table.original_inv_freq):
            frequencies.copy_(frequencies.bfloat16())


def refuse_adapters(folder: Path) -> None:
    """Refuse a folder with a LoRA adapter that is not merged into its weights.

    Raises:
        CheckpointError: If there is one.
    """
    files = [name for name in ("adapter_config.json", "adapter_model.safetensors")
             if (folder / name).is_file()]  # fmt: skip
    if files:
        raise _not_merged(folder, some(files))


def _not_merged(folder: Path | str, what: str) -> CheckpointError:
    return CheckpointError(
        f"{folder} holds a LoRA adapter that is not merged into the weights ({what}). Merge it "
        "with peft's `merge_and_unload`, save the whole model, and load that folder."
    )


def _check_family(family: PixelFamily, checkpoint: Checkpoint) -> None:
    if adapters := [key for key in checkpoint.shapes if "lora_" in key]:
        raise _not_merged(checkpoint.name, adapters[0])
    prefixes = (family.head, family.sam_prefix)
    missing = [p for p in prefixes if not any(key.startswith(p) for key in checkpoint.shapes)]
    embedded = any(qwen_name(key) == _EMBEDDING for key in checkpoint.shapes)
    if missing or not embedded:
        raise CheckpointError(
            f"{checkpoint.name} has no tensors under {', '.join(missing or [_EMBEDDING])}: it is "
            f"no complete {family.name} checkpoint. Use one as published, such as "
            f"{family.example}."
        )


def _qwen_config(folder: Path, raw: Mapping[str, Any], checkpoint: Checkpoint) -> Qwen2_5_VLConfig:
    """Return the configuration of the language model with its vision tower."""
    from transformers import Qwen2_5_VLConfig

    settings = {key: value for key, value in raw.items() if key not in _NOT_OF_THE_MODEL}
    settings.pop("transformers_version", None)
    with explained(HubSource(str(folder), str(folder))):
        config: Any = Qwen2_5_VLConfig(**settings)
    rows = next(s[0] for key, s in checkpoint.shapes.items() if qwen_name(key) == _EMBEDDING)
    if config.text_config.vocab_size != rows:
        raise CheckpointError(
            f"{folder}: config.json says vocab_size {config.text_config.vocab_size}, but the "
            f"weights hold {rows} token embeddings. Config and weights belong to different "
            "checkpoints; download both again."
        )
    return config


def _resolve_dtype(dtype: str | None, target: torch.device | Literal["auto"]) -> torch.dtype:
    on_cpu = target != "auto" and target.type == "cpu"
    return resolve_dtype(dtype or ("float32" if on_cpu else "bfloat16"), torch.device("cpu"))


def _working_memory(config: Qwen2_5_VLConfig, dtype: torch.dtype, positions: int = 6000) -> int:
    """Estimate the bytes that a run takes in addition to the weights.

    They hold keys and values of an answer, and the features of SAM 2's large image encoder.
    """
    text: Any = config.get_text_config()
    head = text.hidden_size // text.num_attention_heads
    cache = 2 * text.num_hidden_layers * text.num_key_value_heads * head * positions
    features = 4 * 144 * 256 * 256 * 8
    return (cache + features) * dtype.itemsize


__all__ = [
    "GivenSizes",
    "HeadOf",
    "PixelOptions",
    "load_network",
    "refuse_adapters",
    "round_rotary",
]
