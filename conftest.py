"""Collects the examples in docstrings."""

from __future__ import annotations

from pathlib import Path

import pytest
from _pytest.doctest import DoctestModule

SOURCE = Path(__file__).resolve().parent / "src"


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
