"""Pickled training files made into safetensors, without running what they name.

Some published `.pth` files hold more than tensors: meters, configurations, paths, saved by the
trainer with the weights. PyTorch's safe reader refuses them. Here such a file is read with an
unpickler that rebuilds tensors and plain containers only; every other class or function in it is
replaced by an inert stand-in that accepts anything and does nothing.
"""

from __future__ import annotations

import os
import pickle
import types
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from safetensors.torch import save_file
from torch import Tensor, _utils

from pixfoundation.errors import CheckpointError
from pixfoundation.models.common.checkpoints import WRAPPERS, some

BARE = "tensor"
"""Key of a file that held one tensor without a name."""

_ALLOWED = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch", "Size"): torch.Size,
    ("torch._utils", "_rebuild_tensor"): _utils._rebuild_tensor,
    ("torch._utils", "_rebuild_tensor_v2"): _utils._rebuild_tensor_v2,
    ("torch._utils", "_rebuild_parameter"): _utils._rebuild_parameter,
}


@dataclass(frozen=True, slots=True)
class Conversion:
    """What became of a pickled file.

    Attributes:
        target: The safetensors file.
        tensors: How many tensors it holds.
        bytes: Their size.
        dropped: Entries of the file that are no weights.
        replaced: Classes and functions that the file named and that were not loaded.
    """

    target: Path
    tensors: int
    bytes: int
    dropped: tuple[str, ...]
    replaced: tuple[str, ...]


def convert(source: Path | str, target: Path | str | None = None) -> Conversion:
    """Write the tensors of a pickled weights file as safetensors.

    Args:
        source: A file of `torch.save`.
        target: The file to write; by default in the folder of the source, with another suffix.

    Raises:
        CheckpointError: If the source is missing, damaged or without weights, or the target exists.
    """
    source = Path(source)
    target = source.with_suffix(".safetensors") if target is None else Path(target)
    if target.exists():
        raise CheckpointError(f"{target} exists already. Remove it, or name another target.")
    content, replaced = read_inert(source)
    weights, dropped = _weights_of(source, content)
    prepared = dict(_own_memory(weights))
    partial = target.with_suffix(f".{os.getpid()}.part")
    save_file(prepared, partial)
    partial.replace(target)
    total = sum(tensor.numel() * tensor.element_size() for tensor in prepared.values())
    return Conversion(target, len(prepared), total, dropped, replaced)


def read_inert(source: Path) -> tuple[Any, tuple[str, ...]]:
    """Read a file of `torch.save` with stand-ins for everything but tensors and containers.

    Returns:
        The content, and the names of what was replaced.

    Raises:
        CheckpointError: If the file is missing or damaged.
    """
    seen: dict[str, None] = {}
    module = types.ModuleType("inert_pickle")
    vars(module).update(
        Unpickler=type("InertUnpickler", (_InertUnpickler,), {"seen": seen}),
        load=lambda file, **options: module.Unpickler(file, **options).load(),
    )
    try:
        content = torch.load(source, map_location="cpu", pickle_module=module, weights_only=False)
    except FileNotFoundError as error:
        raise CheckpointError(f"There is no file {source}.") from error
    except Exception as error:  # a damaged pickle can fail in any way
        raise CheckpointError(
            f"{source} cannot be read as a file of torch.save ({type(error).__name__}): it is "
            "truncated or damaged. Download it again."
        ) from error
    return content, tuple(seen)


class _StandIn:
    """Takes the place of an object that is not loaded; whatever is done to it has no effect."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def __new__(cls, *args: Any, **kwargs: Any) -> _StandIn:
        return object.__new__(cls)

    def __call__(self, *args: Any, **kwargs: Any) -> _StandIn:
        return self

    def __setstate__(self, state: Any) -> None:
        pass

    def __setitem__(self, key: Any, value: Any) -> None:
        pass

    def append(self, item: Any) -> None:
        """Ignores an element of a list-like object."""

    def extend(self, items: Any) -> None:
        """Ignores elements of a list-like object."""

    def add(self, item: Any) -> None:
        """Ignores an element of a set-like object."""


class _InertUnpickler(pickle.Unpickler):
    """Finds tensors and plain containers, and stand-ins for all other names."""

    seen: ClassVar[dict[str, None]]

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _ALLOWED:
            return _ALLOWED[module, name]
        if module == "torch" and isinstance(getattr(torch, name, None), torch.dtype):
            return getattr(torch, name)
        self.seen[f"{module}.{name}"] = None
        return type(name, (_StandIn,), {})


def _weights_of(source: Path, content: Any) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    if isinstance(content, Tensor):
        return {BARE: content}, ()
    dropped: list[str] = []
    for wrapper in WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(wrapper), Mapping):
            dropped += [str(key) for key in content if key != wrapper]
            content = content[wrapper]
    items = content.items() if isinstance(content, Mapping) else ()
    weights = {str(key): value for key, value in items if isinstance(value, Tensor)}
    dropped += [str(key) for key, value in items if not isinstance(value, Tensor)]
    if not weights:
        raise CheckpointError(
            f"{source} holds no named tensors (found: {some(dropped) or type(content).__name__}). "
            "It is not a weights file."
        )
    return weights, tuple(dropped)


def _own_memory(weights: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors with memory of their own, as safetensors demands."""
    taken: set[int] = set()
    for key, tensor in weights.items():
        whole = tensor.detach().contiguous()
        storage = whole.untyped_storage()
        shared = storage.data_ptr() in taken
        if shared or storage.nbytes() != whole.numel() * whole.element_size():
            whole = whole.clone()
        taken.add(whole.untyped_storage().data_ptr())
        yield key, whole
