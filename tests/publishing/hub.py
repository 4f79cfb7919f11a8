"""A small server that stands in for the part of the hub's API that takes repositories and files."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler

from tests.serving import serving

TOKEN = "hf_write"
COMMIT = "0" * 39 + "1"


class Hub:
    """Repositories in memory.

    Attributes:
        files: Bytes by kind and id of the repository, such as `datasets/me/run`, and by path.
        private: Which repositories are private.
        requests: Pull requests by repository.
    """

    def __init__(self) -> None:
        self.files: dict[str, dict[str, bytes]] = {}
        self.private: dict[str, bool] = {}
        self.requests: dict[str, dict[str, bytes]] = {}
        self.url = ""


@contextmanager
def serve() -> Iterator[Hub]:
    """Serves an empty hub on a free port of this machine."""
    hub = Hub()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args: object) -> None:
            pass

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            path, _, query = self.path.partition("?")
            if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                return self._send(403, {"error": "You don't have the rights"})
            if path == "/api/validate-yaml":
                return self._send(200, {"errors": [], "warnings": []})
            if path == "/api/repos/create":
                asked = json.loads(body)
                kind = f"{asked.get('type', 'model')}s"
                name = f"{kind}/{asked.get('organization', 'me')}/{asked['name']}"
                place = f"{hub.url}/{name.removeprefix('models/')}"
                if name in hub.files:
                    return self._send(409, {"error": "You already created it", "url": place})
                hub.files[name], hub.private[name] = (
                    {},
                    "private" in (asked.get("visibility"), asked.get("private") and "private"),
                )
                return self._send(200, {"url": place})
            match = re.fullmatch(r"/api/(\w+/[^/]+/[^/]+)/(preupload|commit)/main", path)
            if match is None or match[1] not in hub.files:
                return self._send(404, {"error": "Repository not found"})
            if match[2] == "preupload":
                files = [
                    {"path": each["path"], "uploadMode": "regular", "shouldIgnore": False}
                    for each in json.loads(body)["files"]
                ]
                return self._send(200, {"files": files})
            return self._commit(match[1], body, as_request="create_pr=1" in query)

        def _commit(self, name: str, body: bytes, *, as_request: bool) -> None:
            told = f"{hub.url}/{name}"
            place = hub.requests.setdefault(name, {}) if as_request else hub.files[name]
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    place[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            answer = {"commitUrl": f"{told}/commit/{COMMIT}", "commitOid": COMMIT}
            if as_request:
                answer["pullRequestUrl"] = f"{told.replace('/models', '')}/discussions/1"
            self._send(200, answer)

        def _send(self, status: int, data: dict) -> None:
            body = json.dumps(data).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with serving(Handler) as hub.url:
        yield hub
