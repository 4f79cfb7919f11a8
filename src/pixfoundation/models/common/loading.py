"""Fills a model from a checkpoint with a complete account of keys, and little memory.

Example:
    Build the model inside `empty_weights`, then fill it::

        checkpoint = Checkpoint.open("vicuna-7b")
        with empty_weights():
            model = LlamaForCausalLM(config)
        load_into(model, checkpoint, ignorable=[r"rotary_emb.inv_freq$"], dtype=torch.bfloat16)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from pixfoundation.errors import CheckpointError
from pixfoundation.models.common.checkpoints import Checkpoint, some

Rename = Callable[[str], str | Sequence[str] | None]
Convert = Callable[[str, Tensor], Sequence[Tensor]]


@contextmanager
def empty_weights() -> Iterator[None]:
    """Inside it, modules are built without memory for parameters; buffers are real.

    Buffers stay real because those that no checkpoint stores (rotary frequencies, position ids)
    are computed at construction. Nothing is initialised at random.
    """
    from accelerate import init_empty_weights
    from transformers.initialization import no_init_weights

    with no_init_weights(), init_empty_weights(include_buffers=False):
        yield


def load_into(
    module: nn.Module,
    checkpoint: Checkpoint,
    *,
    rename: Rename = lambda key: key,
    convert: Convert | None = None,
    ignorable: Sequence[str] = (),
    elsewhere: Sequence[str] = (),
    dtype: torch.dtype | Callable[[str], torch.dtype | None] | None = None,
    device: torch.device | str | Callable[[str], torch.device | str] = "cpu",
) -> None:
    """Fill every parameter and stored buffer of a module, or says why that is not possible.

    All keys and shapes are compared before any data is read. Tensors are then read shard by
    shard, cast, placed and assigned one at a time, so that the peak of memory is the module plus
    one shard.

    Args:
        module: Usually built inside `empty_weights`; may combine several models.
        checkpoint: Where the tensors come from.
        rename: Gives the name(s) in the module for a checkpoint key; None if there is no place
            for it. With several names each gets the same tensor, unless `convert` splits it. The
            name `NAME[i]` is row i of a table that the checkpoint stores row by row.
        convert: Turns a stored tensor into one tensor for each name that `rename` gave (a split of
            a fused projection). With it, shapes are compared after conversion.
        ignorable: Regular expressions (`re.search`) of checkpoint keys that are to be skipped.
        elsewhere: Regular expressions of names in the module that another source fills.
        dtype: For floating-point tensors, one for all or by name in the module; None keeps the
            stored dtype. Integers are never cast.
        device: One for all, or by name in the module.

    Raises:
        CheckpointError: Listing keys without a place, places without a key, or differing shapes.
    """
    slots = _Slots(module)
    plan = _plan(slots, checkpoint, rename, convert, ignorable, elsewhere)
    dtype_of = dtype if callable(dtype) else lambda _: dtype
    device_of = device if callable(device) else lambda _: device
    for key, stored in checkpoint.stream(plan):
        names = plan[key]
        parts = [stored] * len(names) if convert is None else convert(key, stored)
        for name, part in zip(names, parts, strict=True):
            slot = slots[name]
            if tuple(part.shape) != slot.shape:
                raise CheckpointError(
                    f"{checkpoint.name}: {key!r} gives a tensor of shape {list(part.shape)} for "
                    f"{name!r}, which takes {list(slot.shape)}. This checkpoint is of another size "
                    "or layout."
                )
            slot.fill(part, dtype_of(name), torch.device(device_of(name)))


@dataclass(frozen=True)
class _Slot:
    """One parameter or stored buffer of a module."""

    owner: nn.Module
    leaf: str
    shape: tuple[int, ...]

    def fill(self, value: Tensor, dtype: torch.dtype | None, device: torch.device) -> None:
        """Put a copy of the value in place; quantised parameters are quantised by the move."""
        target = dtype if dtype is not None and value.is_floating_point() else value.dtype
        if self.leaf in self.owner._buffers:
            self.owner._buffers[self.leaf] = value.to(device, target, copy=True)
            return
        old: Any = self.owner._parameters[self.leaf]
        kind: Any = type(old)
        if kind is nn.Parameter:
            new = nn.Parameter(value.to(device, target, copy=True), requires_grad=False)
        else:  # a parameter class of bitsandbytes: made from its old settings, packed by `.to`
            settings = {k: v for k, v in vars(old).items() if k != "SCB"}
            settings["requires_grad"] = False
            new = kind(value.to("cpu", target, copy=True), **settings).to(device)
        self.owner._parameters[self.leaf] = new


@dataclass(frozen=True)
class _Row(_Slot):
    """One row of a parameter, whose other rows come from other tensors."""

    row: int

    def fill(self, value: Tensor, dtype: torch.dtype | None, device: torch.device) -> None:
        """Put a copy of the value in its row; the first row to come makes the table."""
        table: Tensor = self.owner._parameters[self.leaf]  # pyright: ignore[reportAssignmentType]
        if table.is_meta:
            target = dtype if dtype is not None and value.is_floating_point() else value.dtype
            made = torch.empty(table.shape, dtype=target, device=device)
            table = self.owner._parameters[self.leaf] = nn.Parameter(made, requires_grad=False)
        with torch.no_grad():
            table[self.row : self.row + 1] = value.to(table)


class _Slots(dict[str, _Slot]):
    """The places of a module by name: parameters, stored buffers, rows of divided tables."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        for prefix, owner in module.named_modules(remove_duplicate=False):
            dot = f"{prefix}." if prefix else ""
            for leaf, value in owner._parameters.items():
                if value is not None:
                    self[dot + leaf] = _Slot(owner, leaf, tuple(value.shape))
            for leaf, value in owner._buffers.items():
                if value is not None and leaf not in owner._non_persistent_buffers_set:
                    self[dot + leaf] = _Slot(owner, leaf, tuple(value.shape))

    def divide(self, names: Sequence[str]) -> None:
        """Put its rows in the place of a table, if one of the names is such a row."""
        for name in names:
            stem, bracket, _ = name.rpartition("[")
            table = self.pop(stem, None) if bracket else None
            if table is not None:
                shape = (1, *table.shape[1:])
                for row in range(table.shape[0]):
                    self[f"{stem}[{row}]"] = _Row(table.owner, table.leaf, shape, row)


def _plan(
    slots: _Slots,
    checkpoint: Checkpoint,
    rename: Rename,
    convert: Convert | None,
    ignorable: Sequence[str],
    elsewhere: Sequence[str],
) -> dict[str, tuple[str, ...]]:
    """Return the names that each key fills, or raises with the complete account."""
    plan: dict[str, tuple[str, ...]] = {}
    unused, misfits, filled = [], [], set()
    for key, shape in checkpoint.shapes.items():
        if any(re.search(pattern, key) for pattern in ignorable):
            continue
        renamed = rename(key)
        names = (renamed,) if isinstance(renamed, str) else tuple(renamed or ())
        slots.divide(names)
        if not names or any(name not in slots for name in names):
            unused.append(key)
            continue
        plan[key] = names
        filled.update(names)
        if convert is None:
            misfits += [
                f"{key} is {list(shape)}, not {list(slots[name].shape)}"
                for name in names
                if slots[name].shape != shape
            ]
    unfilled = [
        name
        for name in slots
        if name not in filled and not any(re.search(pattern, name) for pattern in elsewhere)
    ]
    if unused or unfilled or misfits:
        problems = [
            f"{len(keys)} {what}: {some(keys)}"
            for keys, what in (
                (unused, "keys of it have no place in the model"),
                (unfilled, "parameters of the model are not in it"),
                (misfits, "tensors have another shape than the model"),
            )
            if keys
        ]
        raise CheckpointError(
            f"The checkpoint {checkpoint.name} does not fit the model. {'. '.join(problems)}. "
            "Check that it is a checkpoint of this model, complete and in its published layout."
        )
    return plan
