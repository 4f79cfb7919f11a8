"""Packages of the extras that exports need, imported where one is written."""

from __future__ import annotations

import importlib
from typing import Any

from pixfoundation.errors import missing_package


def load_package(name: str, extra: str, feature: str = "This export") -> Any:
    """Return a module, of any type, since it may bring no types and is often not installed.

    Args:
        name: Import name of the module.
        extra: The extra that installs it.
        feature: What needs it, as the subject of a sentence.

    Raises:
        PrerequisiteError: If it, or a package that it needs, is not installed.
    """
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        package = (error.name or name).split(".")[0]
        raise missing_package(package, feature, extra) from error
    if hasattr(module, "__path__") and getattr(module, "__file__", None) is None:
        # A folder of that name, such as the one that a tracker writes its runs into.
        raise missing_package(name.partition(".")[0], feature, extra)
    return module
