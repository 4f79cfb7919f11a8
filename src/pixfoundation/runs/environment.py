"""Versions and hardware of a run, recorded next to its configuration."""

from __future__ import annotations

import platform
import re
import shlex
import sys
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pixfoundation.endpoints.redacting import option_without_secrets

_CREDENTIALS = re.compile(r"(?<=://)[^\s/?#'\"]*@|(?<=\w)\?[^\s'\"]*(?=['\"]|$)")
"""User and password of a URL, or its query, either of which may hold a key."""

PACKAGES = ("pixfoundation", "numpy", "pycocotools", "torch", "transformers", "spacy", "pillow")


def describe_environment() -> dict[str, Any]:
    """Return the versions of the packages that results may depend on, the device, and the call."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: number for name in PACKAGES if (number := _version(name))},
        "device": _device(),
        "started": datetime.now().astimezone().isoformat(timespec="seconds"),
        "command": shlex.join([Path(sys.argv[0]).name, *map(without_credentials, sys.argv[1:])]),
    }


def without_credentials(argument: str) -> str:
    """Return a word of the command line without secrets.

    These are user, password and query of a URL, and values whose names are those of secrets.

    Example:
        >>> without_credentials("base_url=https://me:secret@host/v1?key=secret")
        'base_url=https://host/v1'
    """
    option = ""
    if argument.startswith("--") and argument.count("=") > 1:  # --model-option=KEY=VALUE
        option, _, argument = argument.partition("=")
        option += "="
    argument = option_without_secrets(argument)
    return option + (_CREDENTIALS.sub("", argument) if "://" in argument else argument)


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
