"""Collects the examples in docstrings, and collects all tests in less time."""

from __future__ import annotations

import gc
from collections.abc import Generator
from pathlib import Path

import pytest
from _pytest.doctest import DoctestModule

SOURCE = Path(__file__).resolve().parent / "src"


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect the tests without Python's search for garbage.

    Importing the libraries makes millions of objects that stay. The search goes over all of them
    again and again and finds nothing to free, which costs more than most imports. They are
    left out of it from then on (`gc.freeze`).
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect the modules of the package whose docstrings have examples.

    `--doctest-modules` would import every module, those of the tests included, only to find that
    most have none.
    """
    if file_path.suffix != ".py" or not file_path.is_relative_to(SOURCE):
        return None
    if parent.config.option.doctestmodules or ">>>" not in file_path.read_text(encoding="utf-8"):
        return None
    return DoctestModule.from_parent(parent, path=file_path)
