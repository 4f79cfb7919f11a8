"""Load weights that are embedded in the package, in a folder, or on the Hugging Face hub.

No code from a checkpoint is run (`trust_remote_code` is always False), and a checkpoint that does
not contain every tensor of its model is refused.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

from pixfoundation.errors import (
    CheckpointError,
    DataError,
    PixFoundationError,
    PrerequisiteError,
    missing_package,
)
from pixfoundation.existence import isdir
from pixfoundation.failures import in_short
from pixfoundation.typed_options import OneOf

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

logger = logging.getLogger(__name__)

EMBEDDED = Path(__file__).parent / "weights"
"""Folder of the weights in the package, with one sub-folder per model."""

_CACHED = "models--"  # prefix of a model's folder in the hub's cache

DTYPES = ("float32", "float16", "bfloat16")
Dtype = Annotated[str, OneOf(DTYPES)]
"""The type of an option that names a precision."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightOptions:
    """Options that every loader of weights takes.

    Attributes:
        device: Device of the model, such as 'cuda', 'cuda:1' or 'cpu'; a GPU if there is one by
            default. With 'auto', loaders of large models divide them between all GPUs.
        dtype: 'float32', 'float16' or 'bfloat16'; half precision on a GPU by default.
        revision: Branch, tag or commit on the hub; None for its default branch.
    """

    device: str | None = None
    dtype: Dtype | None = None
    revision: str | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """The origin of a checkpoint.

    Attributes:
        name: The name that the user gave.
        location: A folder or a model id on the hub.
        revision: Branch, tag or commit on the hub; None for its default branch.
    """

    name: str
    location: str
    revision: str | None = None

    @classmethod
    def find(cls, name: str, short_names: Mapping[str, str], revision: str | None = None) -> Source:
        """Resolve a short name, a folder, or a hub id.

        Args:
            name: The name that the user gave.
            short_names: Hub ids, or names of embedded folders, by short name.
            revision: Branch, tag or commit on the hub; None for the default branch.

        Raises:
            CheckpointError: If the weights should be embedded in the package but are missing.
        """
        location = short_names.get(name, name)
        if isdir(EMBEDDED / location):
            return cls(name, str(EMBEDDED / location))
        if location == name and name in short_names:
            raise CheckpointError(
                f"The weights of {name!r} should be in {EMBEDDED / location} but are not. "
                "Install the package again: pip install --force-reinstall pixfoundation"
            )
        return cls(name, location, revision)

    @property
    def folder(self) -> Path | None:
        """The folder of the checkpoint; None if it is on the hub."""
        path = Path(self.location)
        return path if isdir(path) else None

    def fingerprint(self, model: PreTrainedModel) -> dict[str, Any]:
        """Return what identifies the weights, as JSON data: the commit on the hub, or a hash."""
        data: dict[str, Any] = {"source": self.location, "dtype": str(model.dtype).split(".")[-1]}
        if (cached := self.cached_commit()) is not None:
            data["source"], data["revision"] = cached
        elif self.folder is None:
            data["revision"] = self.revision
        elif self.folder.parent == EMBEDDED:
            data["source"] = f"embedded:{self.folder.name}"
        if self.folder is not None:
            data["weights"] = _hash_of_weights(self.folder)
        return data

    def cached_commit(self) -> tuple[str, str] | None:
        """Return model id and commit in the hub's cache; None for a checkpoint not from the hub."""
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
    """Return the device to load to.

    Args:
        device: Name of a torch device. None or 'auto' selects a GPU if there is one, else the CPU;
            models that are split over several devices handle 'auto' themselves.

    Raises:
        DataError: If the device does not exist on this machine.
    """
    import torch

    if device is None or device == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        resolved = torch.device(device)
        torch.empty(0, device=resolved)
    except (RuntimeError, AssertionError) as error:
        raise DataError(f"There is no device {device!r} on this machine: {error}") from error
    return resolved


def resolve_dtype(dtype: str | None, device: torch.device) -> torch.dtype:
    """Return the floating-point type to load weights in.

    Args:
        dtype: One of `DTYPES`; None for float32 on the CPU and float16 elsewhere.
        device: The device that the weights are loaded to.

    Raises:
        DataError: If `dtype` is not one of `DTYPES`.
    """
    import torch

    if dtype is None:
        return torch.float32 if device.type == "cpu" else torch.float16
    if dtype not in DTYPES:
        raise DataError(f"The dtype must be one of {', '.join(DTYPES)}, but got {dtype!r}.")
    return getattr(torch, dtype)


LFS_START = b"version https://git-lfs"
"""How a file begins that a clone without Git LFS leaves in the place of the real one."""


def refuse_pointers(folder: Path) -> None:
    """Check that no file of a checkpoint's folder is a Git LFS pointer.

    Raises:
        CheckpointError: If one is; the message names it.
    """
    for file in sorted(folder.iterdir()):
        if not file.is_file() or file.stat().st_size > 1024:
            continue
        with file.open("rb") as opened:
            if opened.read(len(LFS_START)) == LFS_START:
                raise CheckpointError(
                    f"{file} is a Git LFS pointer, not the file itself. Fetch the files with: git "
                    "lfs pull"
                )


ADAPTER_CONFIG = "adapter_config.json"
"""The file that makes a folder, or a repository on the hub, a LoRA adapter of peft."""

_NOT_AN_ADAPTER = ("*/*", "*.pt", "*.pth", "*.gguf", "*.onnx")
"""Files of an adapter's repository that are not needed, such as checkpoints of its training."""


def find_adapter_config(source: Source) -> Path | None:
    """Return the configuration of an adapter in a folder or on the hub; None if there is none."""
    if source.folder is not None:
        file = source.folder / ADAPTER_CONFIG
        return file if file.is_file() else None
    import huggingface_hub

    library: Any = huggingface_hub
    try:
        return Path(
            library.hf_hub_download(source.location, ADAPTER_CONFIG, revision=source.revision)
        )
    except (OSError, ValueError):  # the hub's own errors are of these classes
        return None


def fetch_adapter(source: Source) -> Source:
    """Return a source in a folder if the hub holds an adapter there; else the source itself.

    Raises:
        CheckpointError: If the files cannot be fetched.
    """
    if source.folder is not None or find_adapter_config(source) is None:
        return source
    import huggingface_hub

    library: Any = huggingface_hub
    with explained(source):
        folder = library.snapshot_download(
            source.location, revision=source.revision, ignore_patterns=list(_NOT_AN_ADAPTER)
        )
    return replace(source, location=folder, revision=None)


@contextmanager
def without_adapter(source: Source) -> Generator[Source]:
    """Yield a source of the same files without the adapter that lies next to them, if any.

    With peft installed, transformers would put that adapter into the model without a word.
    """
    source = fetch_adapter(source)
    folder = source.folder
    if folder is None or not (folder / ADAPTER_CONFIG).exists():
        yield source
        return
    with TemporaryDirectory() as place:
        for file in folder.iterdir():
            if not file.name.startswith("adapter_"):
                (Path(place) / file.name).symlink_to(file.resolve())
        yield replace(source, location=place)


def _refuse_lone_adapter(source: Source) -> None:
    """Check that a checkpoint that cannot be loaded is not an adapter without a model.

    Raises:
        CheckpointError: If it is; the message names its base.
    """
    file = find_adapter_config(source)
    if file is None or (file.parent / "config.json").exists():
        return
    try:
        base = json.loads(file.read_text(encoding="utf-8"))["base_model_name_or_path"]
    except (OSError, ValueError, KeyError, TypeError):
        base = "a model that it does not name"
    raise CheckpointError(
        f"{source.location} is an adapter of {base}, not a model. Only models of transformers "
        "(--model) are loaded with an adapter; here, merge it first with peft's "
        "`merge_and_unload`, and name the merged folder."
    )


def load_weights(model_class: Any, source: Source, **options: Any) -> Any:
    """Load a model of transformers and refuse incomplete weights.

    Args:
        model_class: A model class with `from_pretrained`.
        source: The checkpoint.
        options: Options of `from_pretrained`.

    Returns:
        The model in evaluation mode.

    Raises:
        CheckpointError: If the checkpoint is missing, damaged, or lacks tensors of the model.
        PrerequisiteError: If a package is missing.
    """
    with explained(source), _quiet_if_embedded(source), without_adapter(source) as whole:
        if whole is not source and find_adapter_config(source) is not None:
            logger.warning(
                "%s: the adapter (%s) next to the weights is left out.",
                *(source.location, ADAPTER_CONFIG),
            )
        model, account = model_class.from_pretrained(
            whole.location,
            revision=whole.revision or "main",
            output_loading_info=True,
            trust_remote_code=False,
            **options,
        )
    if any("lora_" in str(key) for key in account["unexpected_keys"]):
        raise CheckpointError(
            f"{source.location} holds a LoRA adapter that is not merged into the weights. Merge it "
            "with peft's `merge_and_unload` before saving, or save it as an adapter of its own "
            "with `save_pretrained`, which is loaded together with its base."
        )
    missing = sorted(account["missing_keys"])
    misfits = [str(entry[0]) for entry in account["mismatched_keys"]]
    if missing or misfits:
        what = "lacks" if missing else "has other shapes for"
        names = missing or misfits
        raise CheckpointError(
            f"{source.location} {what} {len(names)} tensors of {type(model).__name__}, for "
            f"instance {names[0]}. It is incomplete or belongs to another model; download it again."
        )
    return model.eval()


def read_model_type(source: Source) -> str:
    """Return the `model_type` in the configuration of a checkpoint in transformers' layout.

    Call it within `explained`, which turns what it raises into one sentence.
    """
    from transformers import AutoConfig

    loader: Any = AutoConfig
    return loader.from_pretrained(
        source.location, revision=source.revision or "main", trust_remote_code=False
    ).model_type


@contextmanager
def explained(source: Source) -> Generator[None]:
    """Turn the errors of loaders into one sentence that names the checkpoint.

    Args:
        source: The checkpoint that is loaded in the `with` block.

    Raises:
        CheckpointError: If the checkpoint cannot be loaded.
        PrerequisiteError: If a package is missing.
    """
    try:
        from safetensors import SafetensorError
    except ImportError as error:
        raise missing_package("safetensors", "Loading a model", "models") from error
    if source.folder is not None:
        refuse_pointers(source.folder)
    try:
        yield
    except PixFoundationError:
        raise
    except ImportError as error:
        if error.name is None:  # transformers' own message names what to install
            raise PrerequisiteError(
                f"Loading {source.name}: {' '.join(str(error).split())}"
            ) from error
        raise missing_package(error.name, f"Loading {source.name}", "models") from error
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        if "trust_remote_code" in str(error) or "custom code" in str(error):
            raise CheckpointError(
                f"{source.location} comes with code of its own (`auto_map` in its config.json), "
                "and no code from a checkpoint is run. Take its conversion to the layout of "
                "transformers, often named '-hf', or run it in an environment of its own as a "
                "worker (docs/worker.md)."
            ) from error
        _refuse_lone_adapter(source)
        remedy = (
            "Check that the folder is a complete checkpoint in the layout of transformers."
            if source.folder
            else "Check the name, the network, and your access to it (`hf auth login`)."
        )
        raise CheckpointError(
            f"{source.location} cannot be loaded: {in_short(error)} {remedy}"
        ) from error


@contextmanager
def _quiet_if_embedded(source: Source) -> Generator[None]:
    """Hide the loader's progress bar for embedded weights, which load in a moment."""
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
    """Hash the configuration and the names, sizes and first megabytes of the weight files."""
    digest = hashlib.sha256()
    for file in sorted(folder.iterdir()):
        if file.suffix in (".safetensors", ".bin", ".json"):
            digest.update(f"{file.name}:{file.stat().st_size}:".encode())
            with file.open("rb") as opened:
                digest.update(opened.read(1 << 20))
    return f"sha256:{digest.hexdigest()}"
