"""What the page says while it works, and when something fails, as HTML."""

from __future__ import annotations

from html import escape
from pathlib import Path


def busy(text: str) -> str:
    """Return a sentence with a turning sign."""
    return f'<p class="busy" role="status">{escape(text)}</p>'


def failure(text: str) -> str:
    """Return a sentence about what failed."""
    return f'<p class="failure" role="alert">{escape(text)}</p>'


def without_folder(error: Exception, image: str | None) -> str:
    """Return the message with the file name of an upload instead of its temporary path."""
    return str(error).replace(image, Path(image).name) if image else str(error)
