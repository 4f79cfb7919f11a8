"""A server that sends whatever bytes it is told, at any pace."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import contextmanager, suppress


def reply(body: object, status: str = "200 OK", **headers: str) -> bytes:
    """A complete response; the body may be bytes, text, or JSON data."""
    data = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else None
    data = json.dumps(body).encode() if data is None else data
    fields = {"Content-Type": "application/json", "Content-Length": str(len(data))}
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {status}\r\n{head}Connection: close\r\n\r\n".encode() + data


def said(message: object, **choice: object) -> bytes:
    """A chat completion with this message."""
    fields = {"index": 0, "message": message, "finish_reason": "stop", **choice}
    return reply({"id": "x", "object": "chat.completion", "choices": [fields]})


def content(value: object) -> bytes:
    """A chat completion with this content."""
    return said({"role": "assistant", "content": value})


class RawServer:
    """Sends pieces of bytes to every connection; counts requests.

    Attributes:
        url: The base URL.
        requests: Heads and bodies of all requests.
    """

    def __init__(self, pieces: Callable[[], Iterable[bytes]]) -> None:
        self.pieces, self.requests = pieces, []
        self.over = threading.Event()
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}/v1"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while not self.over.is_set():
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            self.requests.append(self._read(connection))
            for piece in self.pieces():
                if self.over.is_set():
                    return
                connection.sendall(piece)

    @staticmethod
    def _read(connection: socket.socket) -> bytes:
        data = b""
        while b"\r\n\r\n" not in data:
            data += connection.recv(65536)
        head, _, body = data.partition(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        while len(body) < length:
            body += connection.recv(65536)
        return data if len(data) > len(body) else head + b"\r\n\r\n" + body


@contextmanager
def raw_server(pieces):
    """Serves until the block ends; `pieces` is bytes, or a function that yields pieces of bytes."""
    server = RawServer(pieces if callable(pieces) else lambda: [pieces])
    try:
        yield server
    finally:
        server.over.set()
        server.socket.close()


def drip(data: bytes, seconds: float = 0.1):
    """Sends one byte at a time."""

    def pieces():
        for index in range(len(data)):
            yield data[index : index + 1]
            time.sleep(seconds)

    return pieces


def endless(start: bytes, piece: bytes, seconds: float = 0.0):
    """Sends the same piece without end."""

    def pieces():
        yield start
        while True:
            yield piece
            time.sleep(seconds)

    return pieces
