"""Reads TOML files that users write: rules, recipes, rates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pixfoundation.errors import DataError


def read_toml(path: Path | str) -> dict[str, Any]:
    """Return the content of a TOML file.

    Raises:
        DataError: If the file cannot be read, or is not TOML.
    """
    import tomllib  # most commands read no such file

    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise DataError(f"{path} is not TOML: {error}.") from error
    except RecursionError as error:
        raise DataError(f"{path}: its values are nested too deeply.") from error
