"""Settings of a language model as the JSON files of a checkpoint hold them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pixfoundation.errors import CheckpointError
from pixfoundation.models.common.checkpoints import read_json

LLAMA_STOP_ID = 2
"""What `LlamaConfig` assumes where a configuration names no stop token."""


def stop_ids(value: Any, source: str | Path = "The configuration") -> tuple[int, ...]:
    """Return the ids that end an answer, from the value of `eos_token_id`.

    Args:
        value: A number, a list of numbers, or None for no stop token.
        source: The file that holds the value, for the error message.

    Raises:
        CheckpointError: If the value has another type.
    """
    ids = [] if value is None else value if isinstance(value, list) else [value]
    if not all(isinstance(token, int) for token in ids):
        raise CheckpointError(
            f"{source}: eos_token_id should be a number or a list of numbers, not {value!r}."
        )
    return tuple(ids)


def stop_ids_of_folder(folder: Path) -> tuple[int, ...]:
    """Return the ids that end an answer, from generation_config.json, else from config.json.

    Raises:
        CheckpointError: If the file names something other than numbers.
    """
    file = folder / "generation_config.json"
    if file.is_file():
        return stop_ids(read_json(file).get("eos_token_id"), file)
    file = folder / "config.json"
    return stop_ids(read_json(file).get("eos_token_id", LLAMA_STOP_ID), file)


def rope_parameters(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the rotary settings of a flat Llama configuration in the form of transformers 5.

    Args:
        settings: `config.json`, with `rope_theta` and `rope_scaling` as transformers 4 wrote them.
    """
    rope = {"rope_type": "default", **(settings.get("rope_scaling") or {})}
    rope["rope_type"] = rope.pop("type", None) or rope["rope_type"]
    return {**rope, "rope_theta": float(settings.get("rope_theta", 10000.0))}
