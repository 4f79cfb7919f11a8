"""Leave out what is secret by its name, before anything is recorded or shown."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import cast

HIDDEN = "..."
"""What stands in the place of a secret."""

_SECRET_ENDS = (
    "key",
    "token",
    "secret",
    "password",
    "passwd",
    "passphrase",
    "authorization",
    "auth",
    "bearer",
    "credential",
    "credentials",
    "cookie",
    "signature",
)


def is_secret_name(name: str) -> bool:
    """Return whether a field of this name holds a secret, in any spelling.

    Example:
        >>> [is_secret_name(n) for n in ("api_key", "X-Auth-Token", "clientSecret", "max_tokens")]
        [True, True, True, False]
    """
    letters = "".join(character for character in name.lower() if character.isalnum())
    return letters.endswith(_SECRET_ENDS)


def without_secrets(value: object) -> object:
    """Return JSON data with `HIDDEN` for every field that is secret by its name.

    Example:
        >>> without_secrets({"seed": 1, "provider": {"apiKey": "x", "order": ["a"]}})
        {'seed': 1, 'provider': {'apiKey': '...', 'order': ['a']}}
    """
    if isinstance(value, Mapping):
        fields = cast("Mapping[object, object]", value)
        return {
            key: HIDDEN if is_secret_name(str(key)) else without_secrets(each)
            for key, each in fields.items()
        }
    if isinstance(value, list | tuple):
        return [without_secrets(each) for each in cast("list[object]", value)]
    return value


def option_without_secrets(option: str) -> str:
    """Return an option KEY=VALUE, as it is typed, without the secrets in it.

    Example:
        >>> option_without_secrets("extra_body.api_key=abc")
        'extra_body.api_key=...'
        >>> option_without_secrets('extra_body={"user": "me", "token": "abc"}')
        'extra_body={"user": "me", "token": "..."}'
    """
    name, equals, value = option.partition("=")
    if not equals:
        return option
    if is_secret_name(name):
        return f"{name}={HIDDEN}"
    if value.lstrip().startswith(("{", "[")):
        try:
            data = json.loads(value)
        except (ValueError, RecursionError):
            return f"{name}={HIDDEN}" if "{" in value else option
        hidden = without_secrets(data)
        return option if hidden == data else f"{name}={json.dumps(hidden, ensure_ascii=False)}"
    return option
