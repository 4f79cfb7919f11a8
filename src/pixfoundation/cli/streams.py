"""Lets standard output and error take every text, whatever their encoding."""

from __future__ import annotations

import codecs
import sys
from io import TextIOWrapper

_PLAIN = {
    "†": "+", "–": "-", "—": "-", "−": "-", "…": "...", "×": "x", "·": "-", "•": "-",
    "‘": "'", "’": "'", "“": '"', "”": '"', "≥": ">=", "≤": "<=", "→": "->", "±": "+-",
}  # fmt: skip
_ERRORS = "pixfoundation.plain"
"""Name of the error handler that replaces what the encoding of a stream does not have."""


def prepare_streams() -> None:
    """Let standard output and error replace what their encoding does not have, instead of failing.

    The signs that this package prints itself become their nearest plain ones: A† is printed as A+.
    """
    codecs.register_error(_ERRORS, _plain)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors=_ERRORS)


def _plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    missing = error.object[error.start : error.end]
    return "".join(_PLAIN.get(character, "?") for character in missing), error.end
