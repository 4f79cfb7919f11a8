"""The files that make up a published OMG-LLaVA: found by name, or given individually."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from pixfoundation.errors import CheckpointError, PrerequisiteError
from pixfoundation.existence import exists, isdir, isfile
from pixfoundation.models.common.checkpoints import Checkpoint, read_json
from pixfoundation.models.common.pickles import BARE

PathLike = str | os.PathLike[str]

_DEPTH = 3  # levels of sub-folders that are searched
_WEIGHTS = (".safetensors", ".pth", ".pt", ".bin")  # the safe format first

_FINETUNED = ("omg_llava_7b_finetune_8gpus", "omg_llava*finetune*", "finetuned_*")
_HEAD = ("omg_seg_convl",)
_BANK = ("convnext_large_d_320_CocoPanopticOVDataset", "*CocoPanopticOVDataset")
_TRUNK = ("open_clip_pytorch_model", "open_clip_model", "*CLIP-convnext*", "*convnext*")


@dataclass(frozen=True, slots=True)
class FilePaths:
    """Paths of files that are not searched for; None for a file to be found by its name.

    Attributes:
        finetuned: `omg_llava_7b_finetune_8gpus.pth`.
        head: `omg_seg_convl.pth`.
        bank: `convnext_large_d_320_CocoPanopticOVDataset.pth`.
        trunk: `open_clip_pytorch_model.bin` of CLIP-convnext_large_d_320; not needed if the OMG-Seg
            file holds the trunk.
        llm: The folder `internlm2-chat-7b`.
    """

    finetuned: PathLike | None = None
    head: PathLike | None = None
    bank: PathLike | None = None
    trunk: PathLike | None = None
    llm: PathLike | None = None


@dataclass(frozen=True, slots=True)
class Files:
    """The files of OMG-LLaVA.

    Attributes:
        finetuned: File with the low-rank updates, the vocabulary and the projectors.
        head: File of OMG-Seg.
        bank: File of its class embeddings.
        trunk: File of OpenCLIP ConvNeXt-L; None if the OMG-Seg file holds the trunk.
        llm: Folder of InternLM2.
    """

    finetuned: Path
    head: Path
    bank: Path
    trunk: Path | None
    llm: Path


def find_files(folder: PathLike | None = None, paths: FilePaths | None = None) -> Files:
    """Find the published files by their names, except those with a path.

    A file converted to safetensors is taken before the pickled one of the same name.

    Args:
        folder: Folder to search, sub-folders included. Not needed if all paths are given.
        paths: Paths of files that lie elsewhere.

    Raises:
        PrerequisiteError: If a file is missing; the message says where it is published.
        CheckpointError: If the folder does not exist, or if several files match.
    """
    paths = paths or FilePaths()
    root = None if folder is None else Path(folder).expanduser()
    if root is not None and not isdir(root):
        raise CheckpointError(f"There is no folder {root}. Give the folder of OMG-LLaVA's files.")
    head = _find_file(root, paths.head, _HEAD, "the OMG-Seg weights", "omg_seg_convl.pth")
    return Files(
        finetuned=_find_file(
            root,
            paths.finetuned,
            _FINETUNED,
            "the fine-tuned OMG-LLaVA weights",
            "omg_llava_7b_finetune_8gpus.pth",
        ),
        head=head,
        bank=_find_file(
            root,
            paths.bank,
            _BANK,
            "the class embeddings",
            "convnext_large_d_320_CocoPanopticOVDataset.pth",
        ),
        trunk=_find_trunk(root, paths.trunk, head),
        llm=_find_language_model(root, paths.llm),
    )


def read_bank(file: Path) -> Tensor:
    """Read the class bank, float32 [classes, wordings, D] of unit vectors.

    Raises:
        CheckpointError: If the file does not hold such a tensor.
    """
    if file.suffix == ".safetensors":
        bank = Checkpoint.open(file).tensor(BARE)
    else:
        bank = _bare_tensor(file)
    bank = bank.float()
    unit = bank.ndim == 3 and torch.allclose(
        bank.norm(dim=-1), torch.ones(bank.shape[:2]), atol=1e-3
    )
    if not unit:
        raise CheckpointError(
            f"{file} should hold unit vectors [classes, wordings, width], but holds a tensor "
            f"{list(bank.shape)} that is not. Give the published class embeddings."
        )
    return bank


def _bare_tensor(file: Path) -> Tensor:
    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever the damage, the file is not a plain tensor
        raise CheckpointError(
            f"{file} ({file.stat().st_size:,} bytes) cannot be read as a tensor: it is truncated, "
            "damaged, or holds other objects. Download it again; if it stays so, run "
            f"pixfoundation convert-weights {file}"
        ) from error
    if not isinstance(content, Tensor):
        raise CheckpointError(f"{file} holds a {type(content).__name__}, not a single tensor.")
    return content


def _find_file(
    root: Path | None, path: PathLike | None, patterns: Sequence[str], title: str, published: str
) -> Path:
    if path is not None:
        return _existing(path, title)
    for pattern in patterns:
        matches = list(_weights(root, pattern))
        stems = {match.with_suffix("") for match in matches}
        if len(stems) > 1:
            raise CheckpointError(
                f"Several files could be {title}: {', '.join(str(m) for m in sorted(matches))}. "
                "Give the path of the right one."
            )
        if matches:
            return min(matches, key=lambda match: _WEIGHTS.index(match.suffix))
    place = f"in {root}" if root is not None else "and no folder to search was given"
    raise PrerequisiteError(
        f"There is no {published} ({title}) {place}. It is published with OMG-LLaVA; download it "
        "with: hf download zhangtao-whu/OMG-LLaVA"
    )


def _find_trunk(root: Path | None, path: PathLike | None, head: Path) -> Path | None:
    if path is not None:
        trunk = _existing(path, "the OpenCLIP weights")
        return trunk if isfile(trunk) else _find_file(trunk, None, _TRUNK, "the trunk", _TRUNK[0])
    if any(key.startswith("backbone.stem.") for key in Checkpoint.open(head).shapes):
        return None
    for pattern in _TRUNK:
        matches = [file for file in _weights(root, pattern) if "OVDataset" not in file.stem]
        if matches:
            return min(matches, key=lambda match: _WEIGHTS.index(match.suffix))
    raise PrerequisiteError(
        f"{head.name} does not hold the ConvNeXt trunk, and there is no "
        f"open_clip_pytorch_model.bin {f'in {root}' if root else 'given'}. Download it with: "
        "hf download laion/CLIP-convnext_large_d_320.laion2B-s29B-b131K-ft-soup"
    )


def _find_language_model(root: Path | None, path: PathLike | None) -> Path:
    if path is not None:
        folder = Path(path).expanduser()
        if not isdir(folder):
            raise PrerequisiteError(f"There is no folder {folder} (the InternLM2 folder).")
        return folder
    if root is not None:
        for config in sorted(_walk(root, "config.json")):
            if "internlm2" in str(read_json(config).get("model_type", "")).lower():
                return config.parent
    raise PrerequisiteError(
        f"There is no folder internlm2-chat-7b {f'in {root}' if root else 'given'} (a config.json "
        "of model type internlm2). Download it with: hf download internlm/internlm2-chat-7b"
    )


def _existing(path: PathLike, title: str) -> Path:
    expanded = Path(path).expanduser()
    if not exists(expanded):
        raise PrerequisiteError(f"There is no file {expanded} ({title}).")
    return expanded


def _weights(root: Path | None, pattern: str) -> Iterator[Path]:
    if root is not None:
        for suffix in _WEIGHTS:
            yield from _walk(root, pattern + suffix)


def _walk(root: Path, pattern: str) -> Iterator[Path]:
    for depth in range(_DEPTH + 1):
        yield from sorted(root.glob("*/" * depth + pattern))
