"""Modules of lmms-eval, and of what comes with it, imported where they are needed."""

from __future__ import annotations

from typing import Any

from pixfoundation.extras import load_package


def load_module(name: str) -> Any:
    """Return a module, of any type.

    Args:
        name: Import name of the module.

    Raises:
        PrerequisiteError: If it, or a package that it needs, is not installed.
    """
    return load_package(name, "lmms-eval", "Running in lmms-eval")
