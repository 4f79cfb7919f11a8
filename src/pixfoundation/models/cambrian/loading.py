"""Loads `nyu-visionx/cambrian-8b` as published, every key accounted for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from pixfoundation.errors import CheckpointError
from pixfoundation.models.cambrian.aggregator import Aggregator
from pixfoundation.models.cambrian.core import Cambrian
from pixfoundation.models.cambrian.layout import CambrianLayout, read_layout, shape_of
from pixfoundation.models.cambrian.towers import load_tower
from pixfoundation.models.checkpoints import Checkpoint, find_folder, read_json
from pixfoundation.models.loading import empty_weights, load_into

_VISION = (
    "mm_projector",
    "vision_query",
    "vision_sampler",
    "image_newline",
)  # what stands behind `model.` in keys of the aggregator

LLAMA_DEFAULT_STOP = 2  # what LlamaConfig assumes where a configuration names none


def load(
    checkpoint_dir: str | Path,
    towers: str | Path | None = None,
    dtype: torch.dtype = torch.float16,
    *,
    device: torch.device | str = "cpu",
    tower_device: torch.device | str | None = None,
    revision: str | None = None,
) -> Cambrian:
    """Loads a Cambrian-1 checkpoint and its vision encoders.

    Args:
        checkpoint_dir: Folder, or hub id.
        towers: Folder that holds a folder for each encoder; None takes them from the hub.
        dtype: Of all weights; float16 as published.
        device: Of the language model and the aggregator.
        tower_device: Of the encoders; that of the language model by default.
        revision: Of the hub repository.

    Raises:
        CheckpointError: In one sentence, if anything is missing, truncated or of another size.
        PrerequisiteError: If something is to come from the hub, and cannot.
    """
    folder = find_folder(checkpoint_dir, revision)
    checkpoint = Checkpoint.open(folder)
    layout = read_layout(folder, checkpoint)
    tower_folder = None if towers is None else Path(towers).expanduser()
    encoders = [
        load_tower(
            spec,
            tower_folder,
            dtype=dtype,
            device=device if tower_device is None else tower_device,
            clip_layer=layout.clip_layer,
        )
        for spec in layout.towers
    ]
    both = _fill(folder, checkpoint, layout, dtype, device)
    return Cambrian(layout, both.llm, both.aggregator, encoders, stop_ids(folder))


class _Both(nn.Module):
    """The two parts that one checkpoint holds."""

    def __init__(self, llm: Any, aggregator: Aggregator) -> None:
        super().__init__()
        self.llm = llm
        self.aggregator = aggregator


def _fill(
    folder: Path,
    checkpoint: Checkpoint,
    layout: CambrianLayout,
    dtype: torch.dtype,
    device: torch.device | str,
) -> _Both:
    from transformers import LlamaConfig, LlamaForCausalLM

    said = read_json(folder / "config.json")
    said["vocab_size"] = shape_of(checkpoint, "model.embed_tokens.weight")[0]
    config = LlamaConfig.from_dict({k: v for k, v in said.items() if not k.startswith("mm_")})
    with empty_weights():
        both = _Both(LlamaForCausalLM(config), Aggregator(layout))
    tied = bool(config.tie_word_embeddings)
    load_into(
        both,
        checkpoint,
        rename=_place,
        ignorable=[r"rotary_emb\.inv_freq$"],
        elsewhere=[r"^llm\.lm_head\.weight$"] if tied else [],
        dtype=dtype,
        device=device,
    )
    if tied:
        both.llm.tie_weights()
    return both.to(device).eval().requires_grad_(False)


def _place(key: str) -> str:
    """Returns where a key of the checkpoint goes."""
    rest = key.removeprefix("model.")
    if rest != key and rest.startswith(_VISION):
        return f"aggregator.{rest}"
    return f"llm.{key}"


def stop_ids(folder: Path) -> tuple[int, ...]:
    """Returns the ids that end an answer, from generation_config.json, else config.json."""
    file = folder / "generation_config.json"
    if file.is_file():
        said = read_json(file).get("eos_token_id")
    else:
        file = folder / "config.json"
        said = read_json(file).get("eos_token_id", LLAMA_DEFAULT_STOP)
    ids = said if isinstance(said, list) else [said]
    if said is None:
        return ()
    if not all(isinstance(i, int) for i in ids):
        raise CheckpointError(f"{file}: eos_token_id should be a number or numbers, not {said!r}.")
    return tuple(ids)
