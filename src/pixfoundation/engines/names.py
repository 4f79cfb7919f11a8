"""Engines by name."""

from __future__ import annotations

from typing import Any

from pixfoundation.engines.base import Engine
from pixfoundation.engines.local import InProcess
from pixfoundation.engines.ray import RayEngine
from pixfoundation.errors import UnknownNameError
from pixfoundation.typed_options import read_options

NAMES = ("in-process", "ray")


def load_engine(name: str, **options: Any) -> Engine:
    """Return an engine by its name.

    Args:
        name: `in-process` or `ray`.
        options: For `ray`, the fields of `RayEngine`.

    Raises:
        UnknownNameError: If there is no engine of that name.
        DataError: If an option has no such value.
    """
    if name == "ray":
        return RayEngine(**read_options("The engine 'ray'", RayEngine, options))
    if name == "in-process":
        return InProcess()
    raise UnknownNameError("engine", name, NAMES)


def engine_of(engine: Engine | str | None) -> Engine:
    """Return an engine: itself, one by its name, or that of this process for None."""
    if engine is None:
        return InProcess()
    return load_engine(engine) if isinstance(engine, str) else engine
