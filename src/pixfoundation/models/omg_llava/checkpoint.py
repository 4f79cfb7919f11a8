"""Loads OMG-LLaVA from its published files; every key in them must have its place."""

from __future__ import annotations

import warnings
from enum import StrEnum
from pathlib import Path

import torch
from torch import nn

from pixfoundation.errors import CheckpointError
from pixfoundation.hub import resolve_device, resolve_dtype
from pixfoundation.models.common.checkpoints import Checkpoint, read_json
from pixfoundation.models.common.llm_settings import LLAMA_STOP_ID, stop_ids
from pixfoundation.models.common.loading import empty_weights, load_into
from pixfoundation.models.omg_llava.files import FilePaths, PathLike, find_files, read_bank
from pixfoundation.models.omg_llava.four_bit import round_to_nf4
from pixfoundation.models.omg_llava.key_map import (
    CLIP_UNUSED,
    FINETUNED_LLM,
    HEAD_UNUSED,
    head_name,
    split_fused,
    trunk_name,
)
from pixfoundation.models.omg_llava.language import LORA_SCALE, load_language_model, output_key
from pixfoundation.models.omg_llava.network import OmgLlava
from pixfoundation.models.omg_llava.perception import OmgSeg
from pixfoundation.models.omg_llava.projector import TextToVision, VisualProjector
from pixfoundation.models.omg_llava.sizes import perception_sizes, projector_sizes
from pixfoundation.models.omg_llava.vocabulary import read_vocabulary
from pixfoundation.typed_options import as_choice


class Base(StrEnum):
    """Precision of the base of the language model, to which the updates are added."""

    EXACT = "exact"
    """As stored."""
    NF4 = "nf4"
    """Rounded to 4 bits, as for the published numbers."""


def load(
    checkpoint_dir: PathLike | None = None,
    paths: FilePaths | None = None,
    *,
    dtype: torch.dtype | str | None = torch.float32,
    device: torch.device | str | None = "cpu",
    base: Base | str = Base.EXACT,
    lora_scale: float = LORA_SCALE,
) -> OmgLlava:
    """Load the model; its sizes are read from the files.

    Args:
        checkpoint_dir: Folder in which the published files are found by name.
        paths: Paths of files that lie elsewhere.
        dtype: Precision of the language model; None for half precision on a GPU. Perception and
            projectors are float32, as published.
        device: Device of the model, on which the update is merged too; None for a GPU if there is
            one.
        base: `exact` merges the update into the stored weights; `nf4` into weights that went
            through the published 4-bit rounding (needs bitsandbytes).
        lora_scale: Factor of the low-rank update.

    Raises:
        PrerequisiteError: If a file or bitsandbytes is missing.
        CheckpointError: If a file is damaged, or if keys and model do not match one to one.
    """
    files = find_files(checkpoint_dir, paths)
    target = device if isinstance(device, torch.device) else resolve_device(device)
    precision = dtype if isinstance(dtype, torch.dtype) else resolve_dtype(dtype, target)
    tuned = Checkpoint.open(files.finetuned)
    language_base = Checkpoint.open(files.llm)
    stored = read_vocabulary(tuned, language_base)
    _check_widths(tuned, language_base)
    perception = _load_perception(files.head, files.trunk, files.bank, target)
    projector, text_to_vision = _load_projectors(tuned, target)
    model = load_language_model(
        files.llm,
        language_base,
        tuned,
        rows=stored.rows,
        dtype=precision,
        device=target,
        lora_scale=lora_scale,
        base_precision=round_to_nf4 if as_choice(Base, "base", base) is Base.NF4 else None,
    )
    if stored.note is not None:
        warnings.warn(stored.note, stacklevel=2)
    return OmgLlava(
        perception=perception,
        projector=projector,
        text_to_vision=text_to_vision,
        llm=model,
        vocabulary=stored.vocabulary,
        stop_ids=_stop_ids(files.llm),
        files=files,
        notes=() if stored.note is None else (stored.note,),
    )


def _load_perception(
    head_file: Path, trunk_file: Path | None, bank_file: Path, device: torch.device
) -> OmgSeg:
    head = Checkpoint.open(head_file)
    trunk = head if trunk_file is None else Checkpoint.open(trunk_file)
    bank = read_bank(bank_file)
    classes, wordings, width = bank.shape
    with empty_weights():
        model = OmgSeg(perception_sizes(head, trunk, (classes, wordings, width)))
    own_trunk = trunk_file is None
    load_into(
        model,
        head,
        rename=head_name,
        convert=split_fused,
        ignorable=HEAD_UNUSED if own_trunk else (*HEAD_UNUSED, r"^backbone\."),
        elsewhere=() if own_trunk else (r"^trunk\.",),
        dtype=torch.float32,
        device=device,
    )
    if not own_trunk:
        load_into(
            model,
            trunk,
            rename=trunk_name,
            ignorable=CLIP_UNUSED,
            elsewhere=[r"^(?!trunk\.)"],
            dtype=torch.float32,
            device=device,
        )
    model.class_head.bank = bank
    return model.to(device).eval()


def _load_projectors(
    finetuned: Checkpoint, device: torch.device
) -> tuple[VisualProjector, TextToVision]:
    sizes = projector_sizes(finetuned)
    with empty_weights():
        projector, text_to_vision = VisualProjector(sizes), TextToVision(sizes)
    both = nn.ModuleDict({"projector": projector, "projector_text2vision": text_to_vision})
    load_into(
        both,
        finetuned,
        rename=lambda key: key.replace("projector.model.", "projector.", 1),
        ignorable=[
            # filled and checked by `load_language_model`
            rf"^{FINETUNED_LLM}.*\.lora_[AB]\.",
            rf"^{FINETUNED_LLM}model\.tok_embeddings\.weight$",
            rf"^{output_key(finetuned)}$",
        ],
        dtype=torch.float32,
        device=device,
    )
    both.eval()
    return projector, text_to_vision


def _check_widths(finetuned: Checkpoint, base: Checkpoint) -> None:
    """Compare vocabulary tables and hidden size before anything large is read."""
    embeddings = finetuned.shapes[f"{FINETUNED_LLM}model.tok_embeddings.weight"]
    head = finetuned.shapes.get(output_key(finetuned))
    if head != embeddings:
        raise CheckpointError(
            f"{finetuned.name}: the head 'output' is {list(head or ())}, the embedding "
            f"{list(embeddings)}; both must have one row per token. Download the file again."
        )
    hidden = base.shapes["model.tok_embeddings.weight"][1]
    if embeddings[1] != hidden:
        raise CheckpointError(
            f"{finetuned.name} is {embeddings[1]} wide, InternLM2 in {base.name} {hidden}: they "
            "belong to different models."
        )


def _stop_ids(folder: Path) -> frozenset[int]:
    """Return the stop tokens that the folder names; by default InternLM2's </s>."""
    file = folder / "generation_config.json"
    file = file if file.is_file() else folder / "config.json"
    return frozenset(stop_ids(read_json(file).get("eos_token_id", LLAMA_STOP_ID), file))
