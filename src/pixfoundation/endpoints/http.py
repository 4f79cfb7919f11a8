"""Requests with bounds: on their time, the size of the reply, and where redirects may lead.

The time is a total: it includes the connection, redirects and every byte of the reply, so that a
server which sends a byte now and then cannot hold a request open.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import zlib
from collections.abc import Mapping
from concurrent.futures import CancelledError
from dataclasses import dataclass
from functools import cache
from typing import Any

import httpx2

from pixfoundation.endpoints.address import Address

REDIRECTS = 3
"""Greatest number of redirects of one request, all to the same scheme, host and port."""
KEEPS_METHOD = (307, 308)
"""Status codes of redirects after which a request keeps its method and content."""


class RequestFailed(Exception):
    """There is no reply.

    Attributes:
        is_passing: Whether the same request may succeed a moment later.
    """

    is_passing = True


class TimedOut(RequestFailed):
    """The reply was not complete in time."""


class Unreachable(RequestFailed):
    """The connection failed, or broke before the reply was complete."""


class ReplyTooLarge(RequestFailed):
    """The reply is larger than the bound."""

    is_passing = False


class Misdirected(RequestFailed):
    """The endpoint redirects to another place or too often, or a proxy cannot be used."""

    is_passing = False


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one request.

    Attributes:
        seconds: Greatest total time, from the connection to the last byte.
        reply_bytes: Greatest size of the reply in bytes, before and after decompression.
    """

    seconds: float = 120.0
    reply_bytes: int = 8_000_000


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request to an endpoint.

    Attributes:
        method: `GET` or `POST`.
        url: Where it goes; the host is that of the endpoint's address, since the key goes there.
        content: The body; empty for none.
        content_type: Media type of the body.
        limits: Bounds of this request; None for those of the connection.
    """

    method: str
    url: str
    content: bytes = b""
    content_type: str = "application/json"
    limits: Limits | None = None


@dataclass(frozen=True, slots=True)
class HttpReply:
    """A complete reply.

    Attributes:
        status: HTTP status code.
        headers: The headers; names in lower case.
        body: The decompressed body.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes


class Connection:
    """Sends requests to one address; may be used by several threads at a time."""

    def __init__(self, address: Address, limits: Limits) -> None:
        """Keep the settings; nothing is sent yet.

        Args:
            address: Where requests go.
            limits: Bounds of each request.
        """
        self.address, self.limits = address, limits
        self._client: httpx2.AsyncClient | None = None

    def post(self, body: bytes) -> HttpReply:
        """Send a JSON body to the URL of the address and return the reply.

        Raises:
            RequestFailed: If there is no complete reply within the limits.
        """
        return self.send(HttpRequest("POST", self.address.url, body))

    def send(self, request: HttpRequest) -> HttpReply:
        """Send a request and return the reply, whatever its status code.

        Raises:
            RequestFailed: If there is no complete reply within the limits.
        """
        limits = request.limits or self.limits
        try:
            return asyncio.run_coroutine_threadsafe(
                self._bounded(request, limits), _loop()
            ).result()
        except TimeoutError as error:
            raise TimedOut(
                f"did not answer in time: no complete reply within {limits.seconds:g} seconds"
            ) from error
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError, CancelledError) as error:
            reason = str(error) or type(error).__name__
            raise Unreachable(f"cannot be reached: {reason}") from error

    async def _bounded(self, request: HttpRequest, limits: Limits) -> HttpReply:
        async with asyncio.timeout(limits.seconds):
            return await self._redirected(request, limits.reply_bytes)

    async def _redirected(self, request: HttpRequest, limit: int) -> HttpReply:
        if self._client is None:
            try:
                self._client = httpx2.AsyncClient(timeout=None, follow_redirects=False)
            except (ImportError, ValueError) as error:  # what the environment says of proxies
                raise Misdirected(f"cannot be reached through the proxy: {error}") from error
        headers = {
            "Authorization": self.address.authorization,
            "Accept": "application/json",
            "Accept-Encoding": "identity",
        }
        if request.content:
            headers["Content-Type"] = request.content_type
        url, content = httpx2.URL(request.url), request.content or None
        for _ in range(REDIRECTS + 1):
            async with self._client.stream(
                request.method, url, content=content, headers=headers
            ) as response:
                if not 300 <= response.status_code < 400:
                    return HttpReply(
                        response.status_code,
                        {name.lower(): value for name, value in response.headers.items()},
                        await _read(response, limit),
                    )
                url = _target(url, response)
        raise Misdirected(f"redirects more than {REDIRECTS} times")


async def _read(response: httpx2.Response, limit: int) -> bytes:
    """Read the body; a compressed one cannot grow beyond the bound."""
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    is_plain = encoding in ("identity", "")
    if not is_plain and encoding not in ("gzip", "x-gzip", "deflate"):
        raise Unreachable(f"sent a reply compressed by {encoding[:40]!r}, which was not asked")
    inflate = None if is_plain else zlib.decompressobj(zlib.MAX_WBITS | 32)
    received, body = 0, bytearray()
    async for chunk in response.aiter_raw():
        received += len(chunk)
        try:
            body += chunk if inflate is None else inflate.decompress(chunk, limit + 1)
        except zlib.error as error:
            raise Unreachable(f"sent a damaged reply: {error}") from error
        if max(received, len(body)) > limit or (inflate and inflate.unconsumed_tail):
            raise ReplyTooLarge(f"sent a reply of more than {limit:,} bytes")
    if inflate is not None and received and not inflate.eof:
        raise Unreachable("sent a reply that is cut off")
    return bytes(body)


def _target(url: httpx2.URL, response: httpx2.Response) -> httpx2.URL:
    """Return where a redirect leads.

    Raises:
        Misdirected: If that is no URL, another scheme, host or port, or not for POST requests.
    """
    status, location = response.status_code, response.headers.get("location", "")
    try:
        target = url.join(location)
    except (httpx2.InvalidURL, ValueError) as error:
        raise Misdirected(f"redirects ({status}) to no valid address") from error
    is_same_place = (url.scheme, url.host, url.port) == (target.scheme, target.host, target.port)
    if not location or status not in KEEPS_METHOD or not is_same_place:
        port = "" if target.port is None else f":{target.port}"
        place = f"{target.scheme}://{target.host}{port}{target.path}"
        place = place.removesuffix("/chat/completions")
        raise Misdirected(
            f"redirects ({status}) to {place if location else 'nowhere'}, which is not followed. "
            "If that is the right address, give it as the base URL"
        )
    return target.copy_with(userinfo=b"")


_starting = threading.Lock()


def _loop() -> Any:
    """Return the event loop that serves all connections; the first thread to ask starts it."""
    with _starting:  # a cache alone lets two threads that come first each start a loop
        return _started_loop()


@cache
def _started_loop() -> Any:
    """Start an event loop in a thread of its own."""
    _hide_queries("httpx2")
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="endpoints", daemon=True).start()
    return loop


def _hide_queries(logger: str) -> None:
    """Let the client library log addresses without their queries, which may hold a key."""

    def hide(record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(
                str(arg.copy_with(query=None)) if isinstance(arg, httpx2.URL) else arg
                for arg in record.args
            )
        return True

    logging.getLogger(logger).addFilter(hide)
