"""Where a large model goes: memory said and checked before loading, GPUs, 8 and 4 bits.

Call in this order, on a model built inside `empty_weights`: `quantize`, `Placement.plan`,
`Placement.announce`, `load_into(..., device=placement.device_of)`, `Placement.finish`.
"""

from __future__ import annotations

import logging
import os
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from importlib.util import find_spec
from typing import Any, Literal

import torch
from torch import nn

from pixfoundation.errors import PrerequisiteError, missing_package
from pixfoundation.typed_options import as_choice

DtypeOf = Callable[[str], torch.dtype]

GIB = 1 << 30
logger = logging.getLogger(__name__)


class Quantization(StrEnum):
    """How many bits the weights of linear layers take (bitsandbytes)."""

    EIGHT_BIT = "8bit"
    FOUR_BIT = "4bit"


def quantize(
    module: nn.Module, kind: Quantization, dtype: torch.dtype, skip: Sequence[str] = ()
) -> None:
    """Replace the linear layers of an empty module by bitsandbytes' 8-bit or 4-bit ones.

    Loading then quantises each weight as it comes; see `quantization_config`.

    Args:
        module: Built inside `empty_weights`.
        kind: How many bits.
        dtype: What 4-bit layers compute in.
        skip: Parts of the model that keep their dtype: layers with such a name, or within a module
            that has one, at any depth.

    Raises:
        DataError: If there is no such kind.
        PrerequisiteError: If bitsandbytes is not installed.
    """
    from transformers.integrations.bitsandbytes import replace_with_bnb_linear

    kept = [
        f"{re.escape(name)}$"  # transformers takes patterns, which match from the beginning on
        for name, _ in module.named_modules()
        if any(f".{part}." in f".{name}." for part in skip)
    ]
    replace_with_bnb_linear(module, kept, quantization_config(kind, dtype))


def quantization_config(kind: Quantization, dtype: torch.dtype) -> Any:
    """Return transformers' settings of a kind of quantization.

    8 bits: LLM.int8 with the usual threshold; 4 bits: NF4 with double quantisation.

    Args:
        kind: How many bits.
        dtype: What 4-bit layers compute in.

    Raises:
        DataError: If there is no such kind.
        PrerequisiteError: If bitsandbytes is not installed.
    """
    kind = as_choice(Quantization, "quantization", kind)
    if find_spec("bitsandbytes") is None:
        raise missing_package("bitsandbytes", f"Loading in {kind}", "quantization")
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_8bit=kind is Quantization.EIGHT_BIT,
        load_in_4bit=kind is Quantization.FOUR_BIT,
        bnb_4bit_compute_dtype=dtype,
        bnb_4bit_use_double_quant=True,
        bnb_4bit_quant_type="nf4",
    )


@dataclass(frozen=True)
class Placement:
    """What a model needs and where its parts go.

    Attributes:
        weights: Bytes of the weights, by device.
        working: Estimate of the bytes that running needs in addition to the weights.
        parts: Device by name of a part of the model; the whole is ''.
    """

    weights: Mapping[torch.device, int]
    working: int
    parts: Mapping[str, torch.device]

    @classmethod
    def plan(
        cls,
        module: nn.Module,
        dtype_of: DtypeOf,
        device: torch.device | Literal["auto"],
        working: int = 0,
        whole: Sequence[str] = (),
        budget: Mapping[int, int] | None = None,
    ) -> Placement:
        """Decides where the parts of an empty module go.

        Args:
            module: The model; quantised layers are counted as such.
            dtype_of: The dtype of a parameter, by its name.
            device: One device, or 'auto' to fill all GPUs one after the other.
            working: Bytes to keep free on each device.
            whole: Names of module classes that must not be divided between GPUs.
            budget: Free bytes by GPU, for 'auto'; what is free now by default.

        Raises:
            PrerequisiteError: If the GPUs together are too small.
        """
        sizes = {name: _bytes(p, dtype_of(name)) for name, p in module.named_parameters()}
        if device != "auto":
            return cls({device: sum(sizes.values())}, working, {"": device})
        free = _free_on_gpus() if budget is None else budget
        if not free:
            raise PrerequisiteError(
                "device='auto' divides a model between GPUs, but there is none. Give device='cpu'."
            )
        parts: dict[str, torch.device] = {}
        weights = {torch.device("cuda", gpu): 0 for gpu in free}
        rooms = [[torch.device("cuda", gpu), room - working] for gpu, room in free.items()]
        for name, size in _blocks(module, sizes, whole):
            while rooms and rooms[0][1] < size:
                rooms.pop(0)  # never go back: the order of the devices is that of the layers
            if not rooms:
                raise PrerequisiteError(
                    f"The model needs {_gib(sum(sizes.values()))} for its weights and about "
                    f"{_gib(working)} in addition on each GPU, but the GPUs have "
                    f"{', '.join(_gib(room) for room in free.values())} free. Load it with "
                    "quantization '8bit' or '4bit', or free memory."
                )
            rooms[0][1] -= size
            parts[name] = rooms[0][0]
            weights[rooms[0][0]] += size
        return cls(weights, working, parts)

    def announce(self, name: str, free: Mapping[torch.device, int] | None = None) -> str:
        """Log the memory that the model needs; refuse if a device has less.

        Args:
            name: Name of the model.
            free: Free bytes by device; what is free now by default.

        Returns:
            The sentence that was logged.

        Raises:
            PrerequisiteError: If a device has less memory than its part needs.
        """
        lines = []
        for device, size in self.weights.items():
            if not size:
                continue
            available = _free_on(device) if free is None else free.get(device)
            need = f"{_gib(size)} for weights and about {_gib(self.working)} to work"
            if available is not None and available < size + self.working:
                raise PrerequisiteError(
                    f"{name} needs {need} on {device}, where {_gib(available)} are free. Load it "
                    "in half precision or with quantization '8bit' or '4bit', divide it between "
                    "GPUs with device 'auto', or free memory."
                )
            known = "" if available is None else f" ({_gib(available)} free)"
            lines.append(f"{need} on {device}{known}")
        sentence = f"{name} needs {'; '.join(lines)}."
        logger.info(sentence)
        return sentence

    def device_of(self, name: str) -> torch.device:
        """Return the device of a parameter, by its name."""
        part = name
        while part not in self.parts:
            part = part.rpartition(".")[0]
            if not part:
                return self.parts.get("", next(iter(self.parts.values())))
        return self.parts[part]

    def finish(self, module: nn.Module) -> None:
        """Move what was not loaded (constants), and connects parts on different devices."""
        devices = [device for device, size in self.weights.items() if size]
        for name, owner in module.named_modules():
            dot = f"{name}." if name else ""
            for leaf, buffer in owner._buffers.items():
                if buffer is not None:
                    owner._buffers[leaf] = buffer.to(self.device_of(dot + leaf))
        if len(devices) > 1:
            from accelerate import dispatch_model

            with warnings.catch_warnings():  # a parameter may be a part of its own here
                warnings.filterwarnings("ignore", "The following device_map keys do not match")
                dispatch_model(module, dict(self.parts), main_device=devices[0])


def _blocks(
    module: nn.Module, sizes: Mapping[str, int], whole: Sequence[str], prefix: str = ""
) -> list[tuple[str, int]]:
    """Return the pieces that go to one device each, in order, with their bytes."""
    blocks: list[tuple[str, int]] = []
    own = [f"{prefix}{leaf}" for leaf, p in module._parameters.items() if p is not None]
    blocks += [(name, sizes[name]) for name in own if name in sizes]
    for leaf, child in module.named_children():
        name = f"{prefix}{leaf}"
        size = sum(v for k, v in sizes.items() if k.startswith(f"{name}."))
        if type(child).__name__ in whole or not any(True for _ in child.children()):
            blocks.append((name, size))
        else:
            blocks += _blocks(child, sizes, whole, f"{name}.")
    return blocks


def _bytes(parameter: nn.Parameter, dtype: torch.dtype) -> int:
    bits = {"Params4bit": 4.15, "Int8Params": 8.01}.get(  # with their scales
        type(parameter).__name__, dtype.itemsize * 8
    )
    return int(parameter.numel() * bits / 8)


def _free_on_gpus() -> dict[int, int]:
    return {gpu: torch.cuda.mem_get_info(gpu)[0] for gpu in range(torch.cuda.device_count())}


def _free_on(device: torch.device) -> int | None:
    """Return the free bytes of a device; None if it does not tell."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    if device.type == "cpu" and os.path.exists("/proc/meminfo"):
        with open("/proc/meminfo", encoding="ascii") as lines:
            table: dict[str, Any] = dict(line.split(":", 1) for line in lines)
        return int(table["MemAvailable"].split()[0]) * 1024
    return None


def _gib(size: float) -> str:
    return f"{size / GIB:.1f} GiB"
