"""Versions and hardware of a run, recorded next to its configuration."""

from __future__ import annotations

import platform
import shlex
import sys
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("pixfoundation", "numpy", "pycocotools", "torch", "transformers", "spacy", "pillow")


def describe_environment() -> dict[str, Any]:
    """Return the versions of the packages that results may depend on, the device, and the call."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: number for name in PACKAGES if (number := _version(name))},
        "device": _device(),
        "started": datetime.now().astimezone().isoformat(timespec="seconds"),
        "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _device() -> str:
    """Name the accelerator if torch is in use, else the processor."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return platform.processor() or platform.machine()
    return torch.cuda.get_device_name()
