"""Loads an original LISA or GLaMM checkpoint into `LlavaSam`, or says why it cannot."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch

from pixfoundation.errors import CheckpointError
from pixfoundation.hub import resolve_device, resolve_dtype
from pixfoundation.models.common.checkpoints import Checkpoint, find_folder, read_json
from pixfoundation.models.common.llama_tokens import added_tokens
from pixfoundation.models.common.llava_sam.network import LlavaSam
from pixfoundation.models.common.llava_sam.sizes import IGNORABLE, Layout
from pixfoundation.models.common.loading import empty_weights, load_into
from pixfoundation.models.common.placement import Placement, Quantization, quantize
from pixfoundation.models.common.sam_original import run_neck_in_float32

if TYPE_CHECKING:
    from transformers import CLIPVisionConfig

KNOWN_TOWERS = {"openai/clip-vit-large-patch14": 224, "openai/clip-vit-large-patch14-336": 336}
_NECK = "sam.vision_encoder.neck."
UNDIVIDED = ("LlamaDecoderLayer", "CLIPEncoderLayer", "SamVisionLayer", "SamMaskDecoder")
_KEPT = ("tower", "sam", "region_encoder", "mm_projector", "text_hidden_fcs", "lm_head")
_CLIP_IGNORABLE = (
    r"^(text_model|text_projection|visual_projection)\b",
    r"^logit_scale$",
    r"position_ids$",
)


@dataclass(frozen=True)
class Family:
    """What distinguishes the checkpoints of one project.

    Attributes:
        name: 'LISA' or 'GLaMM'.
        sam_prefix: Under which SAM lies.
        tower: Hub id of the vision tower that the published checkpoints use.
        example: A published checkpoint, for messages.
        stranger: SAM's prefix in the other project's checkpoints, and that project's name.
    """

    name: str
    sam_prefix: str
    tower: str
    example: str
    stranger: tuple[str, str]


def load_checkpoint(
    family: Family,
    build: Callable[[Layout, CLIPVisionConfig], LlavaSam],
    checkpoint_dir: str | Path,
    *,
    vision_tower: str | Path | None = None,
    dtype: torch.dtype | str | None = torch.bfloat16,
    device: torch.device | str | None = "cpu",
    quantization: Quantization | None = None,
    quantize_heads: bool = False,
    revision: str | None = None,
    ignorable: tuple[str, ...] = (),
) -> LlavaSam:
    """Load a checkpoint.

    Args:
        family: Which project's.
        build: Builds the empty model.
        checkpoint_dir: Folder or hub id.
        vision_tower: Folder or hub id of CLIP; what the checkpoint names by default.
        dtype: Of the weights and of the run; None for bfloat16 on a GPU, float32 elsewhere. In
            float16 the neck of SAM's encoder computes in float32.
        device: A device, 'auto' to fill all GPUs, None for a GPU if there is one.
        quantization: '8bit' or '4bit' for the language model's layers.
        quantize_heads: Quantise the output head and the two projections too, as the published
            evaluation of LISA does.
        revision: Branch, tag or commit of the hub repository.
        ignorable: Further keys to skip, as regular expressions.

    Raises:
        CheckpointError: If anything about the files is wrong.
        PrerequisiteError: If a package or memory is missing.
    """
    folder = find_folder(checkpoint_dir, revision)
    config = read_json(folder / "config.json")
    checkpoint = Checkpoint.open(folder)
    _check_layout(family, checkpoint)
    layout = Layout(str(folder), config, checkpoint.shapes, family.sam_prefix)
    added = _check_tokens(folder, layout)
    tower_folder = find_folder(vision_tower or _named_tower(config) or family.tower)
    tower = _tower_config(tower_folder, layout, family)
    where = resolve_device(None if device is None else str(device)) if device != "auto" else "auto"
    run_dtype = _run_dtype(dtype, where)

    def dtype_of(name: str) -> torch.dtype:
        in_float32 = run_dtype == torch.float16 and name.startswith(_NECK)
        return torch.float32 if in_float32 else run_dtype

    with empty_weights():
        model = build(layout, tower)
    if quantization is not None:
        skip = ("tower", "sam", "region_encoder") if quantize_heads else _KEPT
        quantize(model, quantization, run_dtype, skip)
    placement = Placement.plan(model, dtype_of, where, working_memory(model, run_dtype), UNDIVIDED)
    placement.announce(folder.name)
    load_into(
        model,
        checkpoint,
        rename=layout.rename,
        ignorable=(*IGNORABLE, *ignorable),
        elsewhere=[r"^tower\."],
        dtype=dtype_of,
        device=placement.device_of,
    )
    load_into(
        model.tower,
        Checkpoint.open(tower_folder),
        rename=lambda key: key.removeprefix("vision_model."),
        ignorable=_CLIP_IGNORABLE,
        dtype=run_dtype,
        device=lambda name: placement.device_of(f"tower.{name}"),
    )
    placement.finish(model)
    if run_dtype == torch.float16:
        run_neck_in_float32(model.sam)
    model.seg_token_id = added.get("[SEG]")
    model.bbox_token_id = added.get("<bbox>", model.bbox_token_id)
    return model.eval().requires_grad_(False)


def working_memory(model: LlavaSam, dtype: torch.dtype, positions: int = 1600) -> int:
    """Estimates the bytes that a run takes beside the weights.

    Two attention maps of one global layer of SAM's encoder, which dominate its pass, and the keys
    and values of an answer.
    """
    vision: Any = model.sam.config.vision_config
    llm: Any = model.llm.config
    tokens = (vision.image_size // vision.patch_size) ** 2
    maps = 2 * vision.num_attention_heads * tokens**2
    head = llm.hidden_size // llm.num_attention_heads
    cache = 2 * llm.num_hidden_layers * llm.num_key_value_heads * head * positions
    return (maps + cache) * dtype.itemsize


def _run_dtype(
    dtype: torch.dtype | str | None, where: torch.device | Literal["auto"]
) -> torch.dtype:
    if isinstance(dtype, torch.dtype):
        return dtype
    on_cpu = where != "auto" and where.type == "cpu"
    return resolve_dtype(dtype or ("float32" if on_cpu else "bfloat16"), torch.device("cpu"))


def _check_layout(family: Family, checkpoint: Checkpoint) -> None:
    prefixes = (family.sam_prefix, "model.text_hidden_fcs.0.", "model.mm_projector.")
    missing = [p for p in prefixes if not any(key.startswith(p) for key in checkpoint.shapes)]
    if not missing and "model.embed_tokens.weight" in checkpoint:
        return
    other, name = family.stranger
    if any(key.startswith(other) for key in checkpoint.shapes):
        raise CheckpointError(
            f"{checkpoint.name} is a {name} checkpoint (it has tensors under {other}). Load it as "
            f"{name}, not as {family.name}."
        )
    raise CheckpointError(
        f"{checkpoint.name} has no tensors under {', '.join(missing or ['model.embed_tokens'])}: "
        f"it is a {family.name} checkpoint of the legacy v0 layout, or none of {family.name}. "
        f"Use a current one such as {family.example}."
    )


def _check_tokens(folder: Path, layout: Layout) -> dict[str, int]:
    """Return the added tokens; none if there are no tokenizer files at all."""
    added = added_tokens(folder)
    rows = layout.vocabulary
    if added is None:
        return {}
    if "[SEG]" not in added:
        raise CheckpointError(
            f"The tokenizer in {folder} has no token [SEG] (it adds: "
            f"{', '.join(added) or 'none'}), so nothing would ask for a mask. Download the "
            "checkpoint's tokenizer files again, added_tokens.json among them."
        )
    highest = max(added, key=lambda token: added[token])
    if added[highest] >= rows:
        raise CheckpointError(
            f"The tokenizer in {folder} gives {highest} the id {added[highest]}, but the weights "
            f"have {rows} token embeddings: the vocabulary is of another checkpoint. Download "
            "tokenizer and weights again."
        )
    return added


def _named_tower(config: Mapping[str, Any]) -> str | None:
    return config.get("mm_vision_tower") or config.get("vision_tower")


def _tower_config(folder: Path, layout: Layout, family: Family) -> CLIPVisionConfig:
    """Read CLIP's configuration and checks that it is the tower the checkpoint was trained with.

    No tensor tells the resolution, so it is compared with the tower that the checkpoint names. A
    tower smaller than any published one is a miniature, whose resolution is not judged.
    """
    from transformers import CLIPVisionConfig

    raw = read_json(folder / "config.json")
    tower: Any = CLIPVisionConfig(**raw.get("vision_config", raw))
    named = str(_named_tower(layout.config) or family.tower)
    if (local := Path(named) / "config.json").is_file():
        own = read_json(local)
        expected = own.get("vision_config", own).get("image_size", tower.image_size)
    else:
        expected = KNOWN_TOWERS.get(named, KNOWN_TOWERS[family.tower])
        if tower.image_size < min(KNOWN_TOWERS.values()):
            expected = tower.image_size
    if tower.image_size != expected:
        raise CheckpointError(
            f"The vision tower in {folder} sees {tower.image_size} pixels, but {layout.name} was "
            f"trained with {expected}. Give the CLIP of the checkpoint: {named}."
        )
    if tower.hidden_size != layout.clip_width:
        raise CheckpointError(
            f"The vision tower in {folder} is {tower.hidden_size} wide, but the projector of "
            f"{layout.name} takes {layout.clip_width}. Give the CLIP of the checkpoint: {named}."
        )
    return tower
