"""Versions, extras, GPUs, memory, disk and cache of this machine."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pixfoundation.doctor.findings import Finding, Status, check
from pixfoundation.existence import exists
from pixfoundation.extras import DEMO, EXTRAS, install_command, missing_from
from pixfoundation.hub import resolve_device
from pixfoundation.models.card import find_checkpoint
from pixfoundation.runs.environment import describe_environment
from pixfoundation.similarity import load_vectors

if TYPE_CHECKING:
    from packaging.markers import Marker

MACHINE = "this machine"
SPARE = 1.2
"""Memory that a model takes in use, as a multiple of its weights in half precision."""


def machine_facts() -> dict[str, Any]:
    """Return versions and hardware as plain JSON data."""
    facts = describe_environment()
    return {key: facts[key] for key in ("python", "platform", "packages", "device")} | {
        "memory": _memory(),
        "gpus": [dict(gpu) for gpu in _gpus()],
        "processors": os.cpu_count(),
    }


def examine_machine(
    model: str | None, options: Mapping[str, Any] | None = None
) -> Iterator[Finding]:
    """Yield what there is to say about this machine.

    Args:
        model: The model that is to run here; None for none.
        options: Options of the model: `device`, `dtype` and `quantization` count.
    """
    yield check("extras", _extras)
    yield check("versions", _versions)
    yield check("gpu", _gpu)
    weights = _weights(model)
    if weights is not None:
        yield check("memory", partial(_room, model or "", weights, options or {}))
    yield check("cache", partial(_cache, weights or 0))
    yield check("phrase vectors", _vectors)


def _extras() -> Finding:
    missing = {extra: missing_from(extra) for extra in EXTRAS}
    absent = [extra for extra, names in missing.items() if names]
    needed = [extra for extra in absent if extra in DEMO]
    if needed:
        return Finding(
            "extras",
            Status.WRONG,
            f"No model can be run: {', '.join(n for e in needed for n in missing[e])} missing.",
            install_command(needed),
        )
    if absent:
        words = f"Installed as needed for models; without the extras {', '.join(absent)}."
        return Finding("extras", Status.FINE, words)
    return Finding("extras", Status.FINE, "All extras are installed.")


def _versions() -> Finding:
    """Compare installed versions with what this package and its installed extras ask for."""
    from packaging.requirements import Requirement

    wrong: list[str] = []
    absent = [extra for extra in EXTRAS if missing_from(extra)]
    for line in requires("pixfoundation") or []:
        requirement = Requirement(line)
        if requirement.marker is not None and _asked_by(requirement.marker, absent):
            continue
        try:
            own = version(requirement.name)
        except PackageNotFoundError:
            continue
        if requirement.specifier and not requirement.specifier.contains(own, prereleases=True):
            wrong.append(f"{requirement.name} {own} (needed: {requirement.specifier})")
    if wrong:
        words = f"Versions that do not fit: {'; '.join(sorted(set(wrong)))}."
        remedy = "pip install --upgrade pixfoundation with the constraints.txt of its repository."
        return Finding("versions", Status.WRONG, words, remedy)
    return Finding("versions", Status.FINE, "All installed packages have versions that fit.")


def _asked_by(marker: Marker, extras: Sequence[str]) -> bool:
    """Return whether a requirement is one of these extras, and not of the package itself."""
    return not marker.evaluate({"extra": ""}) and any(
        marker.evaluate({"extra": extra}) for extra in extras
    )


def _gpus() -> Iterator[dict[str, Any]]:
    if find_spec("torch") is None:
        return
    import torch

    cuda: Any = torch.cuda  # its properties have no types
    if not cuda.is_available():
        return
    for index in range(cuda.device_count()):
        properties: Any = cuda.get_device_properties(index)
        free, total = cuda.mem_get_info(index)
        yield {
            "name": properties.name,
            "total": total,
            "free": free,
            "capability": f"{properties.major}.{properties.minor}",
        }


def _gpu() -> Finding:
    gpus = list(_gpus())
    if gpus:
        names = "; ".join(
            f"{gpu['name']}, {_size(gpu['free'])} of {_size(gpu['total'])} free" for gpu in gpus
        )
        old = [gpu["name"] for gpu in gpus if float(gpu["capability"]) < 8.0]
        if old:
            words = f"{names}. bfloat16 is slow on {', '.join(old)}."
            return Finding("gpu", Status.WARNING, words, "Choose --dtype float16.")
        return Finding("gpu", Status.FINE, f"{names}.")
    if find_spec("torch") is not None and shutil.which("nvidia-smi") is not None:
        import torch

        if torch.version.cuda is None:
            return Finding(
                "gpu",
                Status.WRONG,
                f"There is a GPU, but torch {torch.__version__} is built without CUDA.",
                "Install a CUDA build of torch: https://pytorch.org/get-started/locally/",
            )
        return Finding(
            "gpu",
            Status.WRONG,
            "There is a GPU, but torch cannot use it.",
            "Look at `nvidia-smi` and at CUDA_VISIBLE_DEVICES; the driver may be older than "
            f"CUDA {torch.version.cuda}.",
        )
    return Finding("gpu", Status.FINE, "No GPU: models run on the processor.")


def _memory() -> int | None:
    """Return the memory of the machine in bytes; None where that is not known."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return None


def _weights(model: str | None) -> float | None:
    """Return the bytes of a model's weights, as its card says; None if that is not known."""
    known = None if model is None else find_checkpoint(model)
    match = re.fullmatch(r"([\d.]+) (GB|MB)", "" if known is None else known[1].memory)
    return None if match is None else float(match[1]) * (1e9 if match[2] == "GB" else 1e6)


def _room(model: str, weights: float, options: Mapping[str, Any]) -> Finding:
    place, free = _place(options.get("device"))
    needed = weights * SPARE * _precision(model, options, place)
    figures = {"needed": round(needed), "free": int(free)}
    if not free:
        return Finding("memory", Status.SKIPPED, "It is not known how much memory there is.")
    words = f"{model} takes about {_size(needed)}; {place} has {_size(free)}."
    if needed <= free:
        return Finding("memory", Status.FINE, words, figures=figures)
    remedy = "Choose --quantization 4bit, or --device auto to divide it between several GPUs."
    return Finding("memory", Status.WRONG, words, remedy, figures)


def _place(device: str | None) -> tuple[str, float]:
    """Return where a model goes, and the free memory in bytes there; 0 if it is not known."""
    gpus = list(_gpus())
    if not gpus or device == "cpu":
        return MACHINE, _memory() or 0
    if device == "auto":
        place = "the GPU" if len(gpus) == 1 else "the set of GPUs"
        return place, sum(gpu["free"] for gpu in gpus)
    number = (device or "").partition(":")[2]
    index = int(number) if number.isdecimal() else 0
    return "the GPU", gpus[min(index, len(gpus) - 1)]["free"]


def _precision(model: str, options: Mapping[str, Any], place: str) -> float:
    """Return the size of the weights as loaded, as a multiple of that in half precision."""
    known = find_checkpoint(model)
    if known is not None and known[1].is_embedded:
        return 1.0  # their size is that of the weights as stored
    if (kind := options.get("quantization")) is not None:
        return {"8bit": 1 / 2, "4bit": 1 / 4}.get(str(kind), 1.0)
    dtype = options.get("dtype")
    if dtype is not None or place != MACHINE or find_spec("torch") is None:
        return 2.0 if dtype == "float32" else 1.0
    return 2.0 if resolve_device(options.get("device")).type == "cpu" else 1.0


def _cache(weights: float) -> Finding:
    """Look at the cache of the hub: whether it can be written, and whether weights fit."""
    if find_spec("huggingface_hub") is None:
        return Finding("cache", Status.SKIPPED, "huggingface_hub is not installed.")
    from huggingface_hub import constants

    folder = Path(constants.HF_HUB_CACHE)
    existing = next(place for place in (folder, *folder.parents) if exists(place))
    free = shutil.disk_usage(existing).free
    words = f"The cache {folder} has {_size(free)} left."
    if not os.access(existing, os.W_OK):
        remedy = "Set HF_HOME to a folder that can be written."
        return Finding("cache", Status.WRONG, f"The cache {folder} cannot be written.", remedy)
    if free < weights * SPARE:
        remedy = "Free space, or set HF_HOME to a folder on another disk."
        return Finding("cache", Status.WARNING, words, remedy, {"free": free})
    if constants.HF_HUB_OFFLINE:
        words += " HF_HUB_OFFLINE is set: nothing is downloaded."
    return Finding("cache", Status.FINE, words, figures={"free": free})


def _vectors() -> Finding:
    vectors = load_vectors()
    return Finding("phrase vectors", Status.FINE, f"Phrases are compared by {vectors.name}.")


def _size(number: float) -> str:
    """Return a number of bytes in megabytes or gigabytes."""
    return f"{number / 1e6:.0f} MB" if number < 1e9 else f"{number / 1e9:.1f} GB"
