"""Which adapter a hub id or a folder is for, told by its name, its configuration or its tensors.

Six projects published weights whose `config.json` says `llava` although transformers' LLaVA cannot
load them; who asks for such a checkpoint gets the adapter that can.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pixfoundation.errors import CheckpointError
from pixfoundation.models.base import models
from pixfoundation.models.transformers.names import CHECKPOINTS, COORDINATES_SUFFIX

FALLBACK_FAMILY = "tiny-llava"
"""A name of the adapter that serves all of transformers."""

ARCHITECTURES = (
    (r"glamm", "glamm"),
    (r"lisa", "lisa-7b"),
    (r"joint_2st", "llava-grounding"),
    (r"cambrian", "cambrian-8b"),
)
"""What the class in `config.json` is called, and a name of the adapter."""
TENSORS = (
    (r"model\.grounding_encoder\.", "glamm"),
    (r"model\.visual_model\.", "lisa-7b"),
    (r"seg_model\.", "llava-grounding"),
    (r"model\.vision_sampler_", "cambrian-8b"),
)
"""How tensors begin that only one project has."""
_OMG_LLAVA = ("omg_llava*finetune*", "omg_seg_convl*")  # it has no config.json, but these files


def detect_family(name: str, revision: str | None = None) -> str:
    """Return the registered name of the adapter that loads a model.

    Args:
        name: A registered name, a hub id or a folder.
        revision: Of the hub id.

    Raises:
        UnknownNameError: If it is none of these.
        CheckpointError: If a folder does not exist, or the checkpoint is of a layout that no
            adapter loads; names the one to take instead.
    """
    base = name.removesuffix(COORDINATES_SUFFIX)
    if name in models or not ("/" in name or Path(base).is_dir()):
        return models.entry(name).name
    if name != base:
        return f"{next(iter(CHECKPOINTS))}{COORDINATES_SUFFIX}"
    if (known := _published().get(name)) is not None:
        return known
    for short, checkpoint in CHECKPOINTS.items():
        if name == checkpoint.original:
            raise _converted(name, f"--model {short} ({checkpoint.location})")
    folder = Path(name)
    if not folder.is_dir() and (name.startswith((".", "/", "~")) or name.count("/") > 1):
        raise CheckpointError(
            f"There is no folder {name}. Give the folder that holds config.json and the weights, "
            "or a hub id such as 'owner/name'."
        )
    config = _config(folder, name, revision)
    found = _by_architecture(config)
    if found is None and folder.is_dir():
        found = _by_files(folder, config)
    if found is None and _is_original_llava(config):
        raise _converted(name, "for instance --model llava-1.5-7b (llava-hf/llava-1.5-7b-hf)")
    return found or FALLBACK_FAMILY


def _published() -> dict[str, str]:
    """Registered names by the hub id of their weights."""
    return {
        entry.details["weights"].split()[0]: entry.name
        for entry in models
        if "weights" in entry.details and not entry.name.endswith(COORDINATES_SUFFIX)
    }


def _converted(name: str, instead: str) -> CheckpointError:
    return CheckpointError(
        f"{name} is in the layout of the LLaVA project, which transformers does not load. The same "
        f"weights are published in its layout: {instead}."
    )


def _config(folder: Path, name: str, revision: str | None) -> Mapping[str, Any]:
    """Read `config.json`; an empty one where it cannot be had, which the loader will explain."""
    file = folder / "config.json"
    try:
        if not folder.is_dir():
            from huggingface_hub import hf_hub_download

            file = Path(hf_hub_download(name, "config.json", revision=revision))
        config = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, ImportError):  # the hub's own errors are OSErrors or ValueErrors
        return {}
    return config if isinstance(config, dict) else {}


def _by_architecture(config: Mapping[str, Any]) -> str | None:
    return _first(ARCHITECTURES, [str(name) for name in config.get("architectures") or ()])


def _by_files(folder: Path, config: Mapping[str, Any]) -> str | None:
    if not config:
        return "omg-llava" if any(any(folder.glob(name)) for name in _OMG_LLAVA) else None
    if not _is_original_llava(config):
        return None
    from pixfoundation.models.common.checkpoints import Checkpoint

    return _first(TENSORS, Checkpoint.open(folder).keys())


def _is_original_llava(config: Mapping[str, Any]) -> bool:
    """Whether it is flat, as transformers' own configurations of such models are not."""
    return "mm_vision_tower" in config and "text_config" not in config


def _first(patterns: Iterable[tuple[str, str]], texts: Iterable[str]) -> str | None:
    texts = list(texts)
    for pattern, name in patterns:
        if any(re.match(f".*{pattern}", text, re.IGNORECASE) for text in texts):
            return name
    return None
