"""Weights by name: embedded in the package, in a folder, or on the Hugging Face hub.

Nothing here runs code from a checkpoint (no `trust_remote_code`), and a checkpoint that does not
fill its model completely is refused.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pixfoundation.errors import (
    CheckpointError,
    DataError,
    PixFoundationError,
    PrerequisiteError,
    missing_package,
)

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

EMBEDDED = Path(__file__).parent / "weights"
"""Where the weights that come with the package are: one folder a model."""

_CACHED = "models--"  # how the hub's cache calls the folder of a model

DTYPES = ("float32", "float16", "bfloat16")


@dataclass(frozen=True, slots=True)
class Source:
    """Where a model comes from.

    Attributes:
        name: What the user asked for.
        location: A folder, or a model id of the hub.
        revision: Branch, tag or commit on the hub; None for its default branch.
    """

    name: str
    location: str
    revision: str | None = None

    @classmethod
    def find(cls, name: str, short_names: Mapping[str, str], revision: str | None = None) -> Source:
        """Resolve a short name, a folder, or a hub id.

        Args:
            name: What the user asked for.
            short_names: Hub ids, or the names of embedded folders, by short name.
            revision: For the hub.

        Raises:
            CheckpointError: If it is embedded but its weights are not installed.
        """
        location = short_names.get(name, name)
        if (EMBEDDED / location).is_dir():
            return cls(name, str(EMBEDDED / location))
        if location == name and name in short_names:
            raise CheckpointError(
                f"The weights of {name!r} should be in {EMBEDDED / location} but are not. "
                "Install the package again: pip install --force-reinstall pixfoundation"
            )
        return cls(name, location, revision)

    @property
    def folder(self) -> Path | None:
        """The folder, if it is one."""
        path = Path(self.location)
        return path if path.is_dir() else None

    def fingerprint(self, model: PreTrainedModel) -> dict[str, Any]:
        """Return what identifies the weights, as JSON data: the commit on the hub, or hashes."""
        data: dict[str, Any] = {"source": self.location, "dtype": str(model.dtype).split(".")[-1]}
        if (held := self._in_the_hubs_cache()) is not None:
            data["source"], data["revision"] = held
        elif self.folder is None:
            data["revision"] = self.revision
        elif self.folder.parent == EMBEDDED:
            data["source"] = f"embedded:{self.folder.name}"
        if self.folder is not None:
            data["weights"] = _hash_of_weights(self.folder)
        return data

    def _in_the_hubs_cache(self) -> tuple[str, str] | None:
        """Model id and commit of what was loaded; None if it does not come from the hub."""
        folder = self.folder
        if folder is None:
            from huggingface_hub import try_to_load_from_cache

            file = try_to_load_from_cache(self.location, "config.json", revision=self.revision)
            if not isinstance(file, str):
                return None
            folder = Path(file).parent
        if folder.parent.name != "snapshots" or not folder.parent.parent.name.startswith(_CACHED):
            return None
        repository = folder.parent.parent.name.removeprefix(_CACHED)
        return repository.replace("--", "/", 1), folder.name


def resolve_device(device: str | None) -> torch.device:
    """Return the device to load to: the named one, else a GPU if there is one, else the CPU.

    Args:
        device: None or 'auto' for the best one; models that 'auto' spreads over several see to it
            themselves.

    Raises:
        DataError: If there is no such device.
    """
    import torch

    if device is None or device == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        found = torch.device(device)
        torch.empty(0, device=found)
    except (RuntimeError, AssertionError) as error:
        raise DataError(f"There is no device {device!r} here: {error}") from error
    return found


def resolve_dtype(dtype: str | None, device: torch.device) -> torch.dtype:
    """Return the floating-point type to load in: the named one, else half on a GPU.

    Raises:
        DataError: If it is none of `DTYPES`.
    """
    import torch

    if dtype is None:
        return torch.float32 if device.type == "cpu" else torch.float16
    if dtype not in DTYPES:
        raise DataError(f"The dtype must be one of {', '.join(DTYPES)}, but got {dtype!r}.")
    return getattr(torch, dtype)


def load_weights(model_class: Any, source: Source, **options: Any) -> Any:
    """Load a model of transformers, complete or not at all.

    Args:
        model_class: A class with `from_pretrained`.
        source: Where from.
        options: Passed on to `from_pretrained`.

    Raises:
        CheckpointError: If the checkpoint is missing, damaged, or lacks tensors of the model.
        PrerequisiteError: If a package is missing.
    """
    with explained(source), _progress_where_it_takes_long(source):
        model, account = model_class.from_pretrained(
            source.location, revision=source.revision or "main", output_loading_info=True, **options
        )
    missing = sorted(account["missing_keys"])
    misfits = [str(entry[0]) for entry in account["mismatched_keys"]]
    if missing or misfits:
        what = "lacks" if missing else "has other shapes for"
        names = missing or misfits
        raise CheckpointError(
            f"{source.location} {what} {len(names)} tensors of {type(model).__name__}, for "
            f"instance {names[0]}. It is incomplete or of another model; download it again."
        )
    return model.eval()


@contextmanager
def explained(source: Source) -> Iterator[None]:
    """Turn the loaders' errors into one sentence that names the checkpoint."""
    try:
        from safetensors import SafetensorError
    except ImportError as error:
        raise missing_package("safetensors", "Loading a model", "models") from error
    try:
        yield
    except PixFoundationError:
        raise
    except ImportError as error:
        if error.name is None:  # transformers says itself what is missing and how to get it
            raise PrerequisiteError(
                f"Loading {source.name}: {' '.join(str(error).split())}"
            ) from error
        raise missing_package(error.name, f"Loading {source.name}", "models") from error
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
        remedy = (
            "Check that the folder is a complete checkpoint in the layout of transformers."
            if source.folder
            else "Check the name, the network, and your access to it (`hf auth login`)."
        )
        raise CheckpointError(f"{source.location} cannot be loaded: {first} {remedy}") from error


@contextmanager
def _progress_where_it_takes_long(source: Source) -> Iterator[None]:
    """Keep the loader's progress bar for what may take minutes: not for embedded weights."""
    from transformers.utils import logging

    quiet = source.folder is not None and source.folder.parent == EMBEDDED
    if not quiet or not logging.is_progress_bar_enabled():
        yield
        return
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.enable_progress_bar()


def _hash_of_weights(folder: Path) -> str:
    """Hashes the names, sizes and first megabyte of the weight files, and the configuration."""
    digest = hashlib.sha256()
    for file in sorted(folder.iterdir()):
        if file.suffix in (".safetensors", ".bin", ".json"):
            digest.update(f"{file.name}:{file.stat().st_size}:".encode())
            with file.open("rb") as opened:
                digest.update(opened.read(1 << 20))
    return f"sha256:{digest.hexdigest()}"
