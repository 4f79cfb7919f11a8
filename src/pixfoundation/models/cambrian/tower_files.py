"""Finds the weights and settings of a vision encoder.

Folders have the layouts of the hub: transformers folders for CLIP and DINOv2, OpenCLIP folders
(keys `visual.trunk.*`) or plain timm folders for SigLIP and ConvNeXt. A folder is recognised by its
content, not by its name.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from math import prod
from pathlib import Path
from typing import Any

import torch

from pixfoundation.errors import CheckpointError, PrerequisiteError
from pixfoundation.existence import isdir, isfile
from pixfoundation.models.cambrian.sizes import TowerKind, TowerSpec
from pixfoundation.models.common.checkpoints import Checkpoint, find_folder

SEARCH_DEPTH = 4
TRUNK = "visual.trunk."
_WEIGHTS = {".safetensors", ".bin", ".pt", ".pth"}
_OPEN_CLIP = (
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.safetensors",
    "open_clip_pytorch_model.bin",
)
_MODEL_TYPES: dict[str, TowerKind] = {
    "clip": TowerKind.CLIP,
    "clip_vision_model": TowerKind.CLIP,
    "dinov2": TowerKind.DINOV2,
}
_NOT_OF_THE_TRUNK = {"text_cfg", "text_config"}


def find_tower(spec: TowerSpec, towers: Path | None) -> Path:
    """Return the folder of an encoder's weights.

    Args:
        spec: The encoder.
        towers: Folder that holds one folder for each encoder, up to four levels deep; None to take
            them from the hub.

    Raises:
        CheckpointError: If the folder does not hold exactly one such encoder.
        PrerequisiteError: If the hub cannot be reached.
    """
    if towers is None:
        return find_folder(spec.hub)
    if not isdir(towers):
        raise PrerequisiteError(
            f"There is no folder {towers}. Pass the folder that holds the vision towers, "
            "or omit `towers` to take them from the hub."
        )
    folders = [folder for folder in _folders(towers) if kind_of(folder) == spec.kind]
    if not folders:
        raise CheckpointError(
            f"{towers} holds no folder with the vision tower {spec.name} ({spec.kind}). "
            f"Download it with: hf download {spec.hub} --local-dir {towers / spec.kind}"
        )
    if len(folders) > 1:
        name = spec.hub.rsplit("/", 1)[-1].lower()
        folders = [folder for folder in folders if name in str(folder).lower()] or folders
    if len(folders) > 1:
        listed = ", ".join(str(folder.relative_to(towers)) for folder in folders)
        raise CheckpointError(
            f"{towers} holds several {spec.kind} towers ({listed}); leave only {spec.hub} there."
        )
    return folders[0]


def kind_of(folder: Path) -> TowerKind | None:
    """Return the encoder that a folder holds; None if it does not hold one.

    Raises:
        CheckpointError: If a weights file cannot be read.
    """
    if not any(file.suffix in _WEIGHTS for file in folder.iterdir()):
        return None
    model_type = _json(folder / "config.json").get("model_type")
    if model_type in _MODEL_TYPES:
        return _MODEL_TYPES[model_type]
    keys = open_trunk(folder).keys()
    prefix = trunk_prefix(keys)
    if any(key.startswith(f"{prefix}blocks.") for key in keys):
        return TowerKind.SIGLIP
    if any(key.startswith(f"{prefix}stages.") for key in keys):
        return TowerKind.CONVNEXT
    return None


def open_trunk(folder: Path) -> Checkpoint:
    """Open the weights of an OpenCLIP or timm folder."""
    for name in _OPEN_CLIP:
        if isfile(folder / name):
            return Checkpoint.open(folder / name)
    files = sorted(file for file in folder.iterdir() if file.suffix in _WEIGHTS)
    return Checkpoint.open(files[0] if len(files) == 1 else folder)


def tower_bytes(spec: TowerSpec, folder: Path, dtype: torch.dtype) -> int:
    """Return the bytes that the weights of an encoder take in memory, without loading them."""
    if spec.kind in (TowerKind.SIGLIP, TowerKind.CONVNEXT):
        shapes = open_trunk(folder).shapes
        prefix = trunk_prefix(shapes)
    else:
        shapes = Checkpoint.open(folder).shapes
        nested = "vision_model."  # in a file that holds CLIP's text side as well
        prefix = nested if any(key.startswith(nested) for key in shapes) else ""
    parameters = sum(prod(shape) for key, shape in shapes.items() if key.startswith(prefix))
    return parameters * dtype.itemsize


def trunk_prefix(keys: Any) -> str:
    """Return the prefix of the trunk's keys: `visual.trunk.` or an empty string."""
    return TRUNK if any(key.startswith(TRUNK) for key in keys) else ""


def trunk_arguments(folder: Path) -> dict[str, Any]:
    """Return the settings of the trunk in the JSON files of an OpenCLIP or timm folder.

    Files nest them differently (`model_cfg.vision_cfg`, `model_args`, or not at all), so all values
    are collected by name, without those of the text side.
    """
    arguments: dict[str, Any] = {}
    for file in sorted(folder.glob("*.json")):
        if not file.name.endswith(".index.json"):
            _collect(_json(file), arguments)
    return arguments


def processor_arguments(folder: Path) -> dict[str, Any]:
    """Return the settings of a transformers folder's image processor; empty without one."""
    return _json(folder / "preprocessor_config.json")


def _collect(node: Mapping[str, Any], arguments: dict[str, Any]) -> None:
    for key, value in node.items():
        if isinstance(value, Mapping):
            if key not in _NOT_OF_THE_TRUNK:
                _collect(value, arguments)
        else:
            arguments.setdefault(key, value)


def _folders(root: Path) -> Iterator[Path]:
    pending = [(root, 0)]
    while pending:
        folder, depth = pending.pop()
        yield folder
        if depth < SEARCH_DEPTH:
            inner = sorted((p for p in folder.iterdir() if isdir(p)), reverse=True)
            pending += [(path, depth + 1) for path in inner]


def _json(file: Path) -> dict[str, Any]:
    """Return the content of a JSON file; empty if the file does not exist."""
    if not isfile(file):
        return {}
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"{file} is not readable as JSON ({error}). Download it again."
        ) from error
    return content if isinstance(content, dict) else {}
