"""What pytest collects: doctests only from modules that contain one."""

from pathlib import Path


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Skip modules without a test: importing each of them only to look costs many seconds."""
    if collection_path.suffix != ".py" or collection_path.name.startswith("test_"):
        return None
    return True if ">>> " not in collection_path.read_text(encoding="utf-8") else None
