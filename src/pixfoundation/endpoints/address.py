"""The address of an endpoint and its key, from options or the environment.

The key stays in memory: it is written to no run directory, cache, log or error message.
"""

from __future__ import annotations

import os
import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

from pixfoundation.errors import JudgeError

KEY_VARIABLES = ("PIXFOUNDATION_JUDGE_KEY", "OPENAI_API_KEY")
URL_VARIABLES = ("PIXFOUNDATION_JUDGE_URL", "OPENAI_BASE_URL")
VENDOR = "https://api.openai.com/v1"
NO_KEY = "none"  # what local servers that check no key are sent

WORDS = 300
"""Greatest number of characters of a server's words in a message."""

_MASKED_KEY = re.compile(r"\S{0,100}\*{3,}\S{0,100}")
"""A key as providers show it: with asterisks, but with its first and last characters."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where requests go.

    Attributes:
        url: The URL of chat completions, without user and password.
        shown: The base URL as messages show it: without user, password and query.
        authorization: Value of the header `Authorization`.
        secrets: Texts that no message may contain.
    """

    url: str
    shown: str
    authorization: str = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)

    def sibling(self, path: str, query: Mapping[str, str] | None = None) -> str:
        """Return the URL of another part of the API, such as `batches`.

        Args:
            path: The part, in the place of `chat/completions`.
            query: Further parameters of the URL.
        """
        parts = urlsplit(self.url)
        base = parts.path.removesuffix("chat/completions")
        queries = [parts.query, urlencode(query or {})]
        whole = "&".join(each for each in queries if each)
        return urlunsplit((parts.scheme, parts.netloc, base + path, whole, ""))

    def safe(self, words: str) -> str:
        """Return the words of a server in one line, shortened and without secrets."""
        words = words[:10_000]
        for secret in self.secrets:
            words = words.replace(secret, "...")
        words = " ".join(_MASKED_KEY.sub("...", words).split())
        words = "".join(character if character.isprintable() else "?" for character in words)
        return words if len(words) <= WORDS else f"{words[:WORDS]} ..."


def find_address(base_url: str | None, key_file: Path | str | None) -> Address:
    """Return the address from the options, else from the environment, else the vendor's.

    Args:
        base_url: The endpoint, for instance `http://localhost:8000/v1`; if None the environment
            variable PIXFOUNDATION_JUDGE_URL or OPENAI_BASE_URL, else the vendor's.
        key_file: A file whose first word is the key; if None the environment variable
            PIXFOUNDATION_JUDGE_KEY or OPENAI_API_KEY.

    Raises:
        JudgeError: If the URL or the key cannot be used, the key file cannot be read, or there is
            no key for the vendor's endpoint.
    """
    key = _key(key_file)
    url = base_url or _from_environment(URL_VARIABLES)
    if key is None and url is None:
        raise JudgeError(
            "The endpoint needs a key: set PIXFOUNDATION_JUDGE_KEY or OPENAI_API_KEY, or name a "
            "file (judge: --key-file, served model: --model-option key_file=...). A server of your "
            "own needs no key but its address: --base-url or --model-option base_url=..."
        )
    return _address(url or VENDOR, key)


def _address(url: str, key: str | None) -> Address:
    try:
        parts = urlsplit(url.strip())
        port = parts.port
    except ValueError as error:
        raise JudgeError(f"The base URL is not a valid address: {error}.") from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise JudgeError(
            f"The base URL begins with http:// or https:// and a host, such as "
            f"http://localhost:8000/v1, but got {_without_secrets(url)!r}."
        )
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    place = host if port is None else f"{host}:{port}"
    path = parts.path.rstrip("/")
    full = path if path.endswith("/chat/completions") else f"{path}/chat/completions"
    login = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
    if parts.username or parts.password:
        authorization = f"Basic {b64encode(login.encode()).decode('ascii')}"
    else:
        authorization = f"Bearer {key or NO_KEY}"
    secrets = [key, parts.password, login if parts.password else None, authorization]
    secrets += [unquote(parts.password)] if parts.password else []
    secrets += [value for _, value in parse_qsl(parts.query)]
    return Address(
        urlunsplit((parts.scheme, place, full, parts.query, "")),
        urlunsplit((parts.scheme, place, f"{path}/", "", "")),
        authorization,
        tuple(s for s in secrets if s and s != f"Bearer {NO_KEY}" and len(s) > 3),
    )


def _from_environment(names: tuple[str, ...]) -> str | None:
    return next((os.environ[name] for name in names if os.environ.get(name)), None)


def _key(file: Path | str | None) -> str | None:
    if file is None:
        key, origin = _from_environment(KEY_VARIABLES), "The key of the environment"
    else:
        origin = f"The key file {file}"
        try:
            words = Path(file).read_text(encoding="utf-8-sig").split()
        except (OSError, ValueError) as error:
            raise JudgeError(f"{origin} cannot be read: {_reason(error)}.") from error
        if not words:
            raise JudgeError(f"{origin} is empty.")
        key = words[0]
    key = key.strip() if key else None
    if key and not (key.isascii() and key.isprintable()):
        raise JudgeError(f"{origin} holds characters that no key has. Copy the key again.")
    return key or None


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return "it is not a text file"


def _without_secrets(url: str) -> str:
    """Return the address without user, password and query, however malformed it is."""
    return re.sub(r"^([a-z+]+://)?[^/@]*@", r"\1", url.partition("?")[0], flags=re.IGNORECASE)
