"""With what a run was made: versions and hardware, recorded beside the configuration."""

from __future__ import annotations

import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Any

PACKAGES = ("pixfoundation", "numpy", "pycocotools", "torch", "transformers", "spacy", "pillow")


def describe_environment() -> dict[str, Any]:
    """Return the versions of what results may depend on, and the device that is there."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: found for name in PACKAGES if (found := _version(name))},
        "device": _device(),
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _device() -> str:
    """Names the accelerator, if torch is in use at all."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return platform.processor() or platform.machine()
    return torch.cuda.get_device_name()
