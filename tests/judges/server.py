"""A small OpenAI-compatible server on this machine that misbehaves on purpose."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.judges.batches import Batches

KEY = "sesame"


class JudgeServer:
    """Replies by a function of the request; the first requests may go wrong as told.

    Attributes:
        requests: Bodies of all requests that came with a good key, in order.
        times: When they came.
        models: Names of the models that it lists.
        batches: Its batch API; None if it has none.
    """

    def __init__(self, reply: Callable[[dict], str], trouble: list[str]) -> None:
        self.reply, self.trouble = reply, trouble
        self.models: list[str] = ["served"]
        self.batches: Batches | None = None
        self.requests: list[dict] = []
        self.times: list[float] = []
        self.under_way = self.most_under_way = 0
        self.lock = threading.Lock()
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self.http.server_port}/v1"

    def _handler(server) -> type[BaseHTTPRequestHandler]:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path.startswith(("/v1/files", "/v1/batches")):
                    return self.batch("GET", b"")
                models = [{"id": name} for name in server.models]
                self.send(200 if self.path == "/v1/models" else 404, {"data": models})

            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers["Authorization"] not in (f"Bearer {KEY}", "Bearer none"):
                    return self.send(401, {"error": {"message": "no such key"}})
                if not self.path.endswith("/chat/completions"):
                    return self.batch("POST", content)
                body = json.loads(content)
                with server.lock:
                    server.requests.append(body)
                    server.times.append(time.monotonic())
                    trouble = server.trouble.pop(0) if server.trouble else ""
                    server.under_way += 1
                    server.most_under_way = max(server.most_under_way, server.under_way)
                try:
                    with suppress(ConnectionError):  # of a client that was killed
                        self.answer(trouble, body)
                finally:
                    with server.lock:
                        server.under_way -= 1

            def batch(self, method: str, content: bytes) -> None:
                if server.batches is None:
                    return self.send(404, {"detail": "Not Found"})
                with server.lock, suppress(ConnectionError):
                    type_ = self.headers.get("Content-Type", "")
                    reply = server.batches.handle(method, self.path, content, type_)
                    return self.cut() if reply is None else self.send(*reply)

            def cut(self) -> None:
                linger = struct.pack("ii", 1, 0)
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                self.connection.close()

            def answer(self, trouble: str, body: dict) -> None:
                if trouble.startswith("429"):
                    _, _, wait = trouble.partition(" ")
                    return self.send(429, {}, {"Retry-After": wait} if wait else {})
                if trouble == "500":
                    return self.send(500, {})
                if trouble.startswith("400 "):
                    return self.send(400, {"error": json.loads(trouble[4:])})
                if trouble == "hang":
                    time.sleep(1.5)
                if trouble == "cut":
                    return self.cut()
                if trouble == "nonsense":
                    return self.send(200, "{not json")
                if trouble == "empty":
                    return self.send(200, {"choices": []})
                content = None if trouble == "silent" else server.reply(body)
                message = {"role": "assistant", "content": content}
                choice = {"index": 0, "message": message, "finish_reason": "stop"}
                return self.send(200, {"id": "1", "object": "chat.completion", "choices": [choice]})

            def send(self, status: int, body: object, headers: dict | None = None) -> None:
                data = (body if isinstance(body, str) else json.dumps(body)).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                for name, value in (headers or {}).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, format: str, *args: object) -> None:
                pass

        return Handler


@contextmanager
def judge_server(reply=lambda body: "Yes", trouble=(), *, batches=False):
    """Serves until the block ends; yields the `JudgeServer`.

    With `batches` it has a batch API, which gives the same replies.
    """
    server = JudgeServer(reply, list(trouble))
    server.batches = Batches(reply) if batches else None
    thread = threading.Thread(target=server.http.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.http.shutdown()
        server.http.server_close()
        thread.join()


def text_of(body: dict) -> str:
    """Returns the user's text of a request."""
    content = body["messages"][-1]["content"]
    return content if isinstance(content, str) else content[0]["text"]


def images_of(body: dict) -> list[str]:
    """Returns the images of a request as data URLs."""
    content = body["messages"][-1]["content"]
    if isinstance(content, str):
        return []
    return [part["image_url"]["url"] for part in content if part["type"] == "image_url"]
