"""Published checkpoints as they are: where their tensors lie, read one shard at a time.

A `Checkpoint` knows the names and shapes of all its tensors without having read their data, so
that `loading.load_into` can say what is wrong before the first gigabyte moves. Formats:
safetensors and PyTorch files (`weights_only=True`, never arbitrary pickles), sharded with an index
or not.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from pixfoundation.errors import CheckpointError, PrerequisiteError
from pixfoundation.existence import isdir
from pixfoundation.hub import refuse_pointers

WRAPPERS = ("state_dict", "model")  # names under which trainers nest the weights of a .pth file
_SMALL_FILES = ("*.json", "*.model", "*.txt", "*.yaml", "*.yml")
_LISTED = 8  # keys of each kind that an error message spells out
_UNREADABLE = (
    RuntimeError,
    OSError,
    EOFError,
    ValueError,
    SafetensorError,
    pickle.UnpicklingError,
)


def find_folder(source: str | Path, revision: str | None = None) -> Path:
    """Return the local folder of a checkpoint; a hub id is looked up or downloaded.

    Args:
        source: A folder, or a hub id such as 'xinlai/LISA-7B-v1'.
        revision: Branch, tag or commit of the hub repository; not allowed with a folder.

    Raises:
        CheckpointError: If a revision is asked of a folder, or a path does not exist.
        PrerequisiteError: If the hub cannot be reached and holds no local copy.
    """
    path = Path(source).expanduser()
    if isdir(path):
        if revision is not None:
            raise CheckpointError(
                f"{path} is a folder and has no revision {revision!r}. Leave the revision out, "
                "or name the hub repository instead of the folder."
            )
        refuse_pointers(path)
        return path
    if path.is_absolute() or str(source).startswith((".", "~")) or str(source).count("/") != 1:
        raise CheckpointError(
            f"There is no folder {path}. Give the folder that holds config.json and the weights, "
            "or a hub id such as 'owner/name'."
        )
    from huggingface_hub import snapshot_download

    def fetch(*weights: str) -> Path:
        return Path(
            snapshot_download(
                str(source), revision=revision, allow_patterns=[*_SMALL_FILES, *weights]
            )
        )

    try:
        folder = fetch("*.safetensors")
        if not any(folder.glob("*.safetensors")):
            folder = fetch("*.bin", "*.pth", "*.pt")
    except Exception as error:  # the client raises many kinds; all mean 'not there'
        raise PrerequisiteError(
            f"The checkpoint {source!r} is neither a folder nor could it be had from the hub "
            f"({type(error).__name__}). Download it first with: hf download {source}"
        ) from error
    return folder


@dataclass(frozen=True)
class Checkpoint:
    """Names, shapes and whereabouts of the tensors of a checkpoint.

    Attributes:
        name: What messages call it: the folder, or the first file.
        shapes: Shape of every tensor, by key, in file order.
        files: The file that holds each key.
    """

    name: str
    shapes: Mapping[str, tuple[int, ...]]
    files: Mapping[str, Path]

    @classmethod
    def open(cls, source: str | Path | Sequence[str | Path]) -> Checkpoint:
        """Read the table of contents of a folder, a file or several files.

        In a folder, safetensors are preferred to PyTorch files and an index file says which
        shards belong to the checkpoint. A dictionary nested under 'state_dict' or 'model' is
        unwrapped.

        Raises:
            CheckpointError: If a file is missing, truncated, no tensor file, or disagrees with
                the index, or if a key occurs in two files.
        """
        if isinstance(source, str | Path):
            path = Path(source)
            if isdir(path):
                files, listed = _files_of_folder(path)
            else:
                files, listed = [path], None
        else:
            files, listed = [Path(item) for item in source], None
            path = files[0]
        shapes: dict[str, tuple[int, ...]] = {}
        where: dict[str, Path] = {}
        for file in files:
            for key, shape in _table_of_contents(file).items():
                if key in shapes:
                    raise CheckpointError(
                        f"The tensor {key!r} is both in {where[key]} and in {file}. Remove the "
                        "file that does not belong to this checkpoint."
                    )
                shapes[key], where[key] = shape, file
        if listed is not None:
            _check_against_index(listed, where, path)
        return cls(str(path), shapes, where)

    def keys(self) -> Collection[str]:
        """Return all keys, in file order."""
        return self.shapes.keys()

    def __contains__(self, key: object) -> bool:
        return key in self.shapes

    def stream(self, keys: Iterable[str] | None = None) -> Iterator[tuple[str, Tensor]]:
        """Yield (key, tensor on the CPU in the stored dtype), with one shard open at a time.

        The tensors may be views of the mapped file: copy what is to be kept.

        Args:
            keys: Only these, in file order; all by default.

        Raises:
            CheckpointError: If a key is not there or a file cannot be read.
        """
        requested = set(self.shapes if keys is None else keys)
        if unknown := requested - self.shapes.keys():
            raise CheckpointError(f"{self.name} has no tensor {some(sorted(unknown))}.")
        for file in dict.fromkeys(self.files.values()):
            here = [key for key in self.shapes if key in requested and self.files[key] == file]
            if here:
                yield from _read(file, here)

    def tensor(self, key: str) -> Tensor:
        """Return one tensor, copied out of its file."""
        return next(self.stream([key]))[1].clone()


def some(names: Sequence[str]) -> str:
    """Return the names as a list in words, cut after the first few."""
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more


def _files_of_folder(folder: Path) -> tuple[list[Path], dict[str, Any] | None]:
    """Return the weight files of a folder and, if there is an index, its key-to-file map."""
    for stem, suffix in (("model", "safetensors"), ("pytorch_model", "bin")):
        index = folder / f"{stem}.{suffix}.index.json"
        if index.is_file():
            listed = read_json(index).get("weight_map")
            if not isinstance(listed, dict) or not listed:
                raise CheckpointError(f"{index} lists no weights. Download it again.")
            files = [folder / name for name in sorted(set(listed.values()))]
            missing = [file.name for file in files if not file.is_file()]
            if missing:
                raise CheckpointError(
                    f"{folder} lacks {some(missing)}, which {index.name} lists. "
                    "Download the missing files; the others can stay."
                )
            return files, listed
        whole = folder / f"{stem}.{suffix}"
        if whole.is_file():
            return [whole], None
        shards = sorted(folder.glob(f"{stem}-*-of-*.{suffix}"))
        if shards:
            raise CheckpointError(
                f"{folder} holds shards such as {shards[0].name} but not {index.name}, which says "
                "what belongs together. Download it."
            )
    raise CheckpointError(
        f"{folder} holds no weights: neither model.safetensors nor pytorch_model.bin, "
        "nor an index of shards of either. Give the folder of a complete checkpoint."
    )


def _check_against_index(listed: Mapping[str, str], where: Mapping[str, Path], path: Path) -> None:
    absent = [key for key, name in listed.items() if where.get(key, Path()).name != name]
    if absent:
        shards = sorted({listed[key] for key in absent})
        raise CheckpointError(
            f"{path}: the index promises {some(absent)} in {some(shards)}, where it is not. "
            "Index and shards are of different downloads; download both again."
        )


def read_json(file: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        CheckpointError: If the file is missing, damaged, or holds something else.
    """
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CheckpointError(
            f"There is no {file}. Give the folder of a complete checkpoint."
        ) from error
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"{file} is not readable as JSON ({error}). Download it again."
        ) from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{file} should hold a JSON object. Download it again.")
    return content


def _table_of_contents(file: Path) -> dict[str, tuple[int, ...]]:
    with _explain(file):
        if file.suffix == ".safetensors":
            with safe_open(file, framework="pt") as opened:
                return {key: tuple(opened.get_slice(key).get_shape()) for key in opened.keys()}  # noqa: SIM118
        return {key: tuple(value.shape) for key, value in _torch_file(file, "meta").items()}


def _read(file: Path, keys: Sequence[str]) -> Iterator[tuple[str, Tensor]]:
    if file.suffix == ".safetensors":
        with _explain(file), safe_open(file, framework="pt") as opened:
            for key in keys:
                yield key, opened.get_tensor(key)
        return
    with _explain(file):
        tensors = _torch_file(file, "cpu")
    for key in keys:
        yield key, tensors.pop(key)


def _torch_file(file: Path, device: str) -> dict[str, Tensor]:
    try:
        content = torch.load(file, map_location=device, weights_only=True, mmap=True)
    except RuntimeError as error:
        if "mmap can only be used" not in str(error):
            raise
        content = torch.load(file, map_location=device, weights_only=True)  # before torch 1.6
    for wrapper in WRAPPERS:
        if isinstance(content, dict) and isinstance(content.get(wrapper), dict):
            content = content[wrapper]
    if not isinstance(content, dict) or not all(isinstance(v, Tensor) for v in content.values()):
        raise CheckpointError(
            f"{file} does not hold named tensors only. Give the weights file of the model, "
            "not a training state."
        )
    return dict(content)


class _explain(AbstractContextManager[None]):
    """Turn the errors of the readers into one sentence that names the file."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if error is None or isinstance(error, CheckpointError | GeneratorExit):
            return
        if isinstance(error, FileNotFoundError):
            raise CheckpointError(f"There is no file {self.file}.") from error
        if not isinstance(error, _UNREADABLE):
            return
        with self.file.open("rb") as opened:
            start = opened.read(64)
        if start.startswith(b"version https://git-lfs"):
            raise CheckpointError(
                f"{self.file} is a Git LFS pointer, not the file itself. "
                "Fetch it with: git lfs pull"
            ) from error
        if isinstance(error, pickle.UnpicklingError) and "Unsupported global" in str(error):
            raise CheckpointError(
                f"{self.file} holds Python objects besides tensors and is not opened, because "
                "reading them would run code. Convert it once, without running any, with: "
                f"pixfoundation convert-weights {self.file}"
            ) from error
        raise CheckpointError(
            f"{self.file} ({self.file.stat().st_size:,} bytes) cannot be read as weights: it is "
            "truncated or damaged. Download it again."
        ) from error
