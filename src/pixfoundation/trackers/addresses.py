"""Addresses of servers, as they are shown."""

from __future__ import annotations

import re


def without_login(uri: str) -> str:
    """Return an address without the user and password that it may hold.

    Example:
        >>> without_login("https://me:secret@tracker.example/a")
        'https://tracker.example/a'
    """
    return re.sub(r"//[^/@]*@", "//", uri)
