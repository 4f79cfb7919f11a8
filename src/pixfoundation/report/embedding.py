"""JSON in the forms in which the report's page embeds it."""

from __future__ import annotations

import base64
import json
import zlib
from typing import Any


def embed_json(value: Any) -> str:
    r"""Return JSON that is safe inside a `<script>` element, whatever text it holds.

    Example:
        >>> embed_json({"answer": "</script><b>"})
        '{"answer":"\\u003c/script>\\u003cb>"}'
    """
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def pack_json(value: Any) -> str:
    """Return JSON, deflated, in base64: only letters, digits, `+`, `/` and `=`.

    Run lengths shrink to less than two thirds, base64 included, and no text in the value can be
    read as HTML.
    """
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return base64.b64encode(zlib.compress(text.encode("utf-8"), 9)).decode("ascii")
