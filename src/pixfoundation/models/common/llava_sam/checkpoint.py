"""Loads an original LISA or GLaMM checkpoint into `LlavaSam`, or explains why it cannot."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import torch

from pixfoundation.errors import CheckpointError
from pixfoundation.existence import isfile
from pixfoundation.hub import Dtype, resolve_device, resolve_dtype
from pixfoundation.models.common.checkpoints import Checkpoint, find_folder, read_json
from pixfoundation.models.common.clip_tower import load_clip_tower
from pixfoundation.models.common.llama_tokens import added_tokens
from pixfoundation.models.common.llava_sam.key_map import (
    IGNORABLE,
    rename,
)
from pixfoundation.models.common.llava_sam.network import LlavaSam
from pixfoundation.models.common.llava_sam.sizes import LlavaSamSizes
from pixfoundation.models.common.loading import empty_weights, load_into
from pixfoundation.models.common.placement import Placement, Quantization, quantize
from pixfoundation.models.common.sam_original import run_neck_in_float32

if TYPE_CHECKING:
    from transformers import CLIPVisionConfig

KNOWN_TOWERS = {"openai/clip-vit-large-patch14": 224, "openai/clip-vit-large-patch14-336": 336}
_NECK = "sam.vision_encoder.neck."
UNDIVIDED = ("LlamaDecoderLayer", "CLIPEncoderLayer", "SamVisionLayer", "SamMaskDecoder")
NOT_QUANTIZED = ("tower", "sam", "region_encoder", "mm_projector", "text_hidden_fcs", "lm_head")


class OtherFamily(NamedTuple):
    """The family whose checkpoints are most easily mistaken for those of this one.

    Attributes:
        name: 'LISA' or 'GLaMM'.
        sam_prefix: Prefix of the keys of SAM's tensors.
    """

    name: str
    sam_prefix: str


@dataclass(frozen=True)
class Family:
    """What distinguishes the checkpoints of one family.

    Attributes:
        name: 'LISA' or 'GLaMM'.
        sam_prefix: Prefix of the keys of SAM's tensors.
        tower: Hub id of the vision tower that the published checkpoints use.
        example: A published checkpoint, for messages.
        other_family: The family for which an error message looks in a checkpoint that does not fit.
    """

    name: str
    sam_prefix: str
    tower: str
    example: str
    other_family: OtherFamily


@dataclass(frozen=True, kw_only=True)
class LoadOptions:
    """How a checkpoint is loaded.

    Attributes:
        vision_tower: Folder or hub id of CLIP; the one that the checkpoint names by default.
        dtype: Precision of the weights and of the computation; None for bfloat16 on a GPU, float32
            elsewhere. In float16 the neck of SAM's encoder computes in float32.
        device: A device, 'auto' to fill all GPUs, None for a GPU if there is one.
        quantization: '8bit' or '4bit' (bitsandbytes) for the language model's layers.
        revision: Branch, tag or commit of the hub repository.
    """

    vision_tower: str | Path | None = None
    dtype: torch.dtype | Dtype | None = torch.bfloat16
    device: torch.device | str | None = "cpu"
    quantization: Quantization | None = None
    revision: str | None = None


def load_checkpoint(
    family: Family,
    checkpoint_dir: str | Path,
    options: LoadOptions,
    *,
    build: Callable[[LlavaSamSizes, CLIPVisionConfig], LlavaSam] = LlavaSam,
    ignorable: tuple[str, ...] = (),
    not_quantized: tuple[str, ...] = NOT_QUANTIZED,
) -> LlavaSam:
    """Load a checkpoint.

    Args:
        family: The family that the checkpoint belongs to.
        checkpoint_dir: Folder or hub id.
        options: Files, precision and device.
        build: Builds the empty model.
        ignorable: Further keys to skip, as regular expressions.
        not_quantized: Parts of the model that keep their precision if `options` quantise it.

    Raises:
        CheckpointError: If a file is missing, truncated or belongs to another model.
        PrerequisiteError: If a package or memory is missing.
    """
    folder = find_folder(checkpoint_dir, options.revision)
    config = read_json(folder / "config.json")
    checkpoint = Checkpoint.open(folder)
    _check_family(family, checkpoint)
    sizes = LlavaSamSizes(str(folder), config, checkpoint.shapes, family.sam_prefix)
    added = _check_tokens(folder, sizes)
    tower_folder = find_folder(options.vision_tower or _named_tower(config) or family.tower)
    tower = _tower_config(tower_folder, sizes, family)
    device = options.device
    target = resolve_device(None if device is None else str(device)) if device != "auto" else "auto"
    dtype = _resolve_dtype(options.dtype, target)

    def dtype_of(name: str) -> torch.dtype:
        in_float32 = dtype == torch.float16 and name.startswith(_NECK)
        return torch.float32 if in_float32 else dtype

    with empty_weights():
        model = build(sizes, tower)
    if options.quantization is not None:
        quantize(model, options.quantization, dtype, not_quantized)
    placement = Placement.plan(model, dtype_of, target, working_memory(model, dtype), UNDIVIDED)
    placement.announce(folder.name)
    load_into(
        model,
        checkpoint,
        rename=lambda key: rename(key, sizes),
        ignorable=(*IGNORABLE, *ignorable),
        elsewhere=[r"^tower\."],
        dtype=dtype_of,
        device=placement.device_of,
    )
    load_clip_tower(
        model.tower,
        Checkpoint.open(tower_folder),
        dtype,
        lambda name: placement.device_of(f"tower.{name}"),
    )
    placement.finish(model)
    if dtype == torch.float16:
        run_neck_in_float32(model.sam)
    model.seg_token_id = added.get("[SEG]")
    model.bbox_token_id = added.get("<bbox>", model.bbox_token_id)
    return model.eval().requires_grad_(False)


def working_memory(model: LlavaSam, dtype: torch.dtype, positions: int = 1600) -> int:
    """Estimate the bytes that a run takes in addition to the weights.

    They hold two attention maps of one global layer of SAM's encoder, which dominate its pass, and
    the keys and values of an answer.
    """
    vision: Any = model.sam.config.vision_config
    llm: Any = model.llm.config
    tokens = (vision.image_size // vision.patch_size) ** 2
    maps = 2 * vision.num_attention_heads * tokens**2
    head = llm.hidden_size // llm.num_attention_heads
    cache = 2 * llm.num_hidden_layers * llm.num_key_value_heads * head * positions
    return (maps + cache) * dtype.itemsize


def _resolve_dtype(
    dtype: torch.dtype | str | None, target: torch.device | Literal["auto"]
) -> torch.dtype:
    if isinstance(dtype, torch.dtype):
        return dtype
    on_cpu = target != "auto" and target.type == "cpu"
    return resolve_dtype(dtype or ("float32" if on_cpu else "bfloat16"), torch.device("cpu"))


def _check_family(family: Family, checkpoint: Checkpoint) -> None:
    prefixes = (family.sam_prefix, "model.text_hidden_fcs.0.", "model.mm_projector.")
    missing = [p for p in prefixes if not any(key.startswith(p) for key in checkpoint.shapes)]
    if not missing and "model.embed_tokens.weight" in checkpoint:
        return
    other, prefix = family.other_family
    if any(key.startswith(prefix) for key in checkpoint.shapes):
        raise CheckpointError(
            f"{checkpoint.name} is a {other} checkpoint (it has tensors under {prefix}). Load it "
            f"as {other}, not as {family.name}."
        )
    raise CheckpointError(
        f"{checkpoint.name} has no tensors under {', '.join(missing or ['model.embed_tokens'])}: "
        f"it is a {family.name} checkpoint of the legacy v0 layout, or no {family.name} "
        f"checkpoint. Use a current one such as {family.example}."
    )


def _check_tokens(folder: Path, sizes: LlavaSamSizes) -> dict[str, int]:
    """Return the added tokens by name; empty if the folder has no tokenizer files."""
    added = added_tokens(folder)
    rows = sizes.vocabulary
    if added is None:
        return {}
    if "[SEG]" not in added:
        raise CheckpointError(
            f"The tokenizer in {folder} has no token [SEG] (it adds: "
            f"{', '.join(added) or 'nothing'}), so the model could not request a mask. Download "
            "the checkpoint's tokenizer files again, added_tokens.json among them."
        )
    highest = max(added, key=lambda token: added[token])
    if added[highest] >= rows:
        raise CheckpointError(
            f"The tokenizer in {folder} gives {highest} the id {added[highest]}, but the weights "
            f"have {rows} token embeddings: the vocabulary belongs to another checkpoint. "
            "Download tokenizer and weights again."
        )
    return added


def _named_tower(config: Mapping[str, Any]) -> str | None:
    return config.get("mm_vision_tower") or config.get("vision_tower")


def _tower_config(folder: Path, sizes: LlavaSamSizes, family: Family) -> CLIPVisionConfig:
    """Read CLIP's configuration and check that the checkpoint was trained with this tower.

    No tensor tells the resolution, so it is compared with the tower that the checkpoint names. The
    resolution of a tower smaller than any published one, as in tests, is not checked.
    """
    from transformers import CLIPVisionConfig

    raw = read_json(folder / "config.json")
    tower: Any = CLIPVisionConfig(**raw.get("vision_config", raw))
    named = str(_named_tower(sizes.config) or family.tower)
    if isfile(local := Path(named) / "config.json"):
        own = read_json(local)
        expected = own.get("vision_config", own).get("image_size", tower.image_size)
    else:
        expected = KNOWN_TOWERS.get(named, KNOWN_TOWERS[family.tower])
        if tower.image_size < min(KNOWN_TOWERS.values()):
            expected = tower.image_size
    if tower.image_size != expected:
        raise CheckpointError(
            f"The vision tower in {folder} sees {tower.image_size} pixels, but {sizes.name} was "
            f"trained with {expected}. Give the CLIP of the checkpoint: {named}."
        )
    if tower.hidden_size != sizes.clip_width:
        raise CheckpointError(
            f"The vision tower in {folder} is {tower.hidden_size} wide, but the projector of "
            f"{sizes.name} takes {sizes.clip_width}. Give the CLIP of the checkpoint: {named}."
        )
    return tower
