"""The batches of the judge's server: files, and batches that answer when they are looked at."""

from __future__ import annotations

import email
import email.policy
import json
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

Said = tuple[int, object]


class Batches:
    """OpenAI's files and batches, in memory.

    Attributes:
        files: Content of each file by its name.
        batches: Each batch as the API describes it, in the order of their making.
        looks: Number of looks at a batch before it has ended.
        end: State in which batches end, and what is said about it.
        answered: Number of questions that are answered before a batch ends; None for all.
        item: Gives the status and body for a question, in place of a reply; or None.
        trouble: Status codes of the next requests to the batch API, 0 for none; `lost` takes the
            request and breaks the connection.
        calls: Method and path of every request.
    """

    def __init__(self, reply: Callable[[dict], str], prefix: str = "batch") -> None:
        self.reply, self.prefix = reply, prefix
        self.files: dict[str, bytes] = {}
        self.batches: list[dict] = []
        self.looks, self.end, self.answered = 0, ("completed", ""), None
        self.item: Callable[[dict], tuple[int, object] | None] = lambda body: None
        self.trouble: list[int | str] = []
        self.calls: list[tuple[str, str]] = []
        self.page = 100

    @property
    def questions(self) -> list[dict]:
        """Bodies of all questions in batches that were started, in order."""
        return [
            line["body"]
            for batch in self.batches
            for line in map(json.loads, self.files[batch["input_file_id"]].splitlines())
        ]

    def handle(self, method: str, url: str, content: bytes, content_type: str) -> Said | None:
        """Return status and body of a reply; None to break the connection."""
        parts = urlsplit(url)
        path = parts.path.removeprefix("/v1/")
        self.calls.append((method, path))
        trouble = self.trouble.pop(0) if self.trouble else 0
        if isinstance(trouble, int) and trouble:
            return trouble, {"error": {"message": f"trouble {trouble}"}}
        said = self._handle(method, path, parse_qs(parts.query), content, content_type)
        return None if trouble == "lost" else said

    def _handle(self, method, path, query, content, content_type) -> Said:
        match method, path.split("/"):
            case "POST", ["files"]:
                return 200, {"id": self._keep(_file_of(content, content_type))}
            case "GET", ["files", name, "content"] if name in self.files:
                return 200, self.files[name].decode()
            case "POST", ["batches"]:
                return 200, self._start(json.loads(content))
            case "GET", ["batches"]:
                newest = self.batches[::-1]
                after = query.get("after", [""])[0]
                names = [batch["id"] for batch in newest]
                first = names.index(after) + 1 if after else 0
                page = newest[first : first + self.page]
                return 200, {"data": page, "has_more": first + self.page < len(newest)}
            case "GET", ["batches", name]:
                for batch in self.batches:
                    if batch["id"] == name:
                        self._go_on(batch)
                        return 200, batch
        return 404, {"error": {"message": f"nothing at {path}"}}

    def _keep(self, content: bytes) -> str:
        name = f"file-{len(self.files)}"
        self.files[name] = content
        return name

    def _start(self, fields: dict) -> dict:
        assert fields["endpoint"] == "/v1/chat/completions"
        assert fields["completion_window"] == "24h"
        lines = self.files[fields["input_file_id"]].splitlines()
        batch = {
            "id": f"{self.prefix}_{len(self.batches) + 1}",
            "object": "batch",
            "input_file_id": fields["input_file_id"],
            "status": "validating",
            "request_counts": {"total": len(lines), "completed": 0, "failed": 0},
            "looks": self.looks,
        }
        self.batches.append(batch)
        return batch

    def _go_on(self, batch: dict) -> None:
        if "output_file_id" in batch or batch["status"] not in ("validating", "in_progress"):
            return
        if batch["looks"]:
            batch["looks"] -= 1
            batch["status"] = "in_progress"
            return
        status, words = self.end
        batch["status"] = status
        if status == "failed":
            batch["errors"] = {"object": "list", "data": [{"code": "x", "message": words}]}
            return
        replies, errors = [], []
        lines = self.files[batch["input_file_id"]].splitlines()
        for number, line in enumerate(map(json.loads, lines)):
            result = {"id": f"r{number}", "custom_id": line["custom_id"], "error": None}
            if self.answered is not None and number >= self.answered:
                error = {"code": f"batch_{status}", "message": words}
                errors.append(result | {"response": None, "error": error})
            elif (item := self.item(line["body"])) is not None:
                code, body = item
                errors.append(result | {"response": {"status_code": code, "body": body}})
            else:
                message = {"role": "assistant", "content": self.reply(line["body"])}
                body = {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
                replies.append(result | {"response": {"status_code": 200, "body": body}})
        batch["request_counts"] |= {"completed": len(replies), "failed": len(errors)}
        replies.reverse()  # they come in any order
        batch["output_file_id"] = self._keep(_jsonl(replies))
        if errors:
            batch["error_file_id"] = self._keep(_jsonl(errors))


def _jsonl(lines: list[dict]) -> bytes:
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def _file_of(content: bytes, content_type: str) -> bytes:
    """Return the file in a form, whose purpose must be a batch."""
    head = f"Content-Type: {content_type}\r\n\r\n".encode()
    message = email.message_from_bytes(head + content, policy=email.policy.HTTP)
    parts = {
        part.get_param("name", header="content-disposition"): part for part in message.iter_parts()
    }
    assert parts["purpose"].get_content().strip() == "batch"
    return parts["file"].get_payload(decode=True)
