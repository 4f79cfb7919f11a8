"""Modules of lmms-eval, and of what comes with it, imported where they are needed."""

from __future__ import annotations

import importlib
from typing import Any

from pixfoundation.errors import missing_package


def load_module(name: str) -> Any:
    """Return a module, of any type, since it may bring no types and is often not installed.

    Args:
        name: Import name of the module.

    Raises:
        PrerequisiteError: If it, or a package that it needs, is not installed.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        package = (error.name or name).split(".")[0]
        raise missing_package(package, "Running in lmms-eval", "lmms-eval") from error
