"""Which models an endpoint serves."""

from __future__ import annotations

import json
from typing import Any

from pixfoundation.endpoints.address import Address
from pixfoundation.endpoints.json_values import items, mapping
from pixfoundation.errors import DataError, JudgeError

SECONDS = 30.0
"""Seconds to wait for the list."""


def only_model(address: Address) -> str:
    """Return the name of the only model that an endpoint lists.

    Args:
        address: The endpoint.

    Raises:
        DataError: If it lists none, or several.
        JudgeError: If it cannot be reached, or gives no list.
    """
    import httpx2

    url = address.url.removesuffix("/chat/completions") + "/models"
    try:
        reply = httpx2.get(url, headers={"Authorization": address.authorization}, timeout=SECONDS)
        content: Any = json.loads(reply.content) if reply.status_code == 200 else None
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError) as error:
        raise JudgeError(
            f"The endpoint {address.shown} does not list its models: "
            f"{address.safe(str(error) or type(error).__name__)}. Is the server running?"
        ) from error
    entries = items(mapping(content).get("data"))
    names = [name for entry in entries if isinstance(name := mapping(entry).get("id"), str)]
    if len(names) == 1:
        return names[0]
    listed = f"lists {', '.join(sorted(names)[:5])}" if names else "lists no model"
    raise DataError(
        f"The endpoint {address.shown} {listed}. Say which is to answer with the option model=NAME."
    )
