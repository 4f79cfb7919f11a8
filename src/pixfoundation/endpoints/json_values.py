"""JSON from outside, read without trust in its form."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import cast

from pixfoundation.answer_parts import valid_text

NOTHING: Mapping[str, object] = {}


def read_json(data: bytes) -> object:
    """Return the value of a JSON text; None if it is not one.

    Nesting of any depth, integers of any length and bytes of any encoding are 'not one'.
    """
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def mapping(value: object) -> Mapping[str, object]:
    """Return a JSON object; an empty one for any other value."""
    return cast("Mapping[str, object]", value) if isinstance(value, dict) else NOTHING


def items(value: object) -> list[object]:
    """Return a JSON array; an empty one for any other value."""
    return cast("list[object]", value) if isinstance(value, list) else []


def text(value: object) -> str:
    """Return a JSON string with lone surrogates replaced; an empty one for any other value."""
    return valid_text(value) if isinstance(value, str) else ""
