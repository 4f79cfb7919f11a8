"""A small server that stands in for the hub's file endpoints."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler

from tests.serving import serving

COMMIT = "0" * 39 + "1"


class Hub:
    """Data set repositories in memory.

    Attributes:
        files: Bytes by repository and path.
        served: (path, range header) of every GET of a file.
        break_after: Cuts the connection after so many bytes of a file, once.
        lies: Paths whose stated checksum is wrong.
    """

    def __init__(self, files: dict[str, dict[str, bytes]]) -> None:
        self.files = files
        self.served: list[tuple[str, str | None]] = []
        self.break_after: dict[str, int] = {}
        self.lies: set[str] = set()
        self.url = ""

    def siblings(self, repository: str) -> list[dict]:
        listed = []
        for path, data in self.files[repository].items():
            entry = {"rfilename": path, "size": len(data), "blobId": git_sha1(data)}
            if path in self.lies:
                entry["blobId"] = "f" * 40
            if path.endswith((".jpg", ".parquet")):
                entry["lfs"] = {"sha256": sha256(data), "size": len(data), "pointerSize": 130}
            listed.append(entry)
        return listed


@contextmanager
def serve(files: dict[str, dict[str, bytes]]) -> Iterator[Hub]:
    """Serves repositories on a free port of this machine."""
    hub = Hub(files)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args: object) -> None:
            pass

        def do_HEAD(self) -> None:
            self._answer(body=False)

        def do_GET(self) -> None:
            self._answer(body=True)

        def _answer(self, body: bool) -> None:
            path = self.path.split("?")[0].replace("%20", " ")
            if match := re.fullmatch(r"/api/datasets/([^/]+/[^/]+)(?:/revision/[^/]+)?", path):
                if match[1] in hub.files:
                    info = {"id": match[1], "sha": COMMIT, "siblings": hub.siblings(match[1])}
                    return self._send(200, json.dumps(info).encode(), body, "application/json")
            elif match := re.fullmatch(r"/datasets/([^/]+/[^/]+)/resolve/[^/]+/(.+)", path):
                data = hub.files.get(match[1], {}).get(match[2])
                if data is not None:
                    return self._send_file(match[2], data, body)
            return self._send(404, b"{}", body, "application/json")

        def _send_file(self, name: str, data: bytes, body: bool) -> None:
            wanted = self.headers.get("Range")
            if body:
                hub.served.append((name, wanted))
            start = int(wanted.split("=")[1].split("-")[0]) if wanted and body else 0
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(data) - start))
            self.send_header("ETag", f'"{git_sha1(data)}"')
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("Accept-Ranges", "bytes")
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
            self.end_headers()
            if not body:
                return
            stop = hub.break_after.pop(name, None)
            self.wfile.write(data[start:stop])
            if stop is not None:
                self.wfile.flush()
                self.close_connection = True

        def _send(self, status: int, data: bytes, body: bool, kind: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if body:
                self.wfile.write(data)

    with serving(Handler) as hub.url:
        yield hub


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def git_sha1(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
