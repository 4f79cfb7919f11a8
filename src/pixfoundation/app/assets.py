"""The page's style, scripts and templates, which lie next to this module."""

from __future__ import annotations

from importlib.resources import files


def asset(name: str) -> str:
    """Return the text of a file of this folder."""
    return files("pixfoundation.app").joinpath(name).read_text(encoding="utf-8")
