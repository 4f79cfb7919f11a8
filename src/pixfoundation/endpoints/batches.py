"""Batches of chat completions: a file of questions, and later a file of replies.

Vendors with OpenAI's batch API answer such a file within a day, for less than single requests.

Source: OpenAI API reference, 'Files' and 'Batch'.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import quote

import httpx2

from pixfoundation.answer_parts import Reply
from pixfoundation.endpoints.client import (
    LONGEST_WAIT,
    RESUMED,
    ChatClient,
    ChatQuestion,
    pause_after,
)
from pixfoundation.endpoints.faults import OF_THE_REQUEST, ProviderError, error_of
from pixfoundation.endpoints.http import HttpReply, HttpRequest, Limits, RequestFailed
from pixfoundation.endpoints.json_values import items, mapping, read_json, text
from pixfoundation.endpoints.negotiation import Form
from pixfoundation.errors import JudgeError

MOST_REQUESTS = 50_000
"""Greatest number of questions in one batch."""
MOST_BYTES = 100_000_000
"""Greatest size of the file of one batch; vendors take 100 or 200 MB."""
WINDOW = "24h"
"""Time within which a batch is to be complete; vendors take no other."""
ENDPOINT = "/v1/chat/completions"
"""What the questions of a batch are for, as the API names it, whatever the address."""
TRANSFER_SECONDS = 600.0
"""Greatest total time of sending or fetching a file."""
BYTES_PER_REPLY, MOST_REPLY_BYTES = 256 << 10, 1 << 30
"""Bounds on the size of a file of replies: by its number of questions, and whatever that is."""
PAGE = 100
"""Number of batches in one page of their list."""
MOST_PAGES = 20
"""Greatest number of pages that are searched for a batch."""
NO_SUCH_PLACE = (404, 405, 501)
"""Status codes of servers without batches."""
TRIES = 6
"""Number of times that a request about a batch is repeated after a fault that may pass."""
ENDED = ("completed", "failed", "expired", "cancelled", "canceled")
"""States in which nothing more happens to a batch."""


class BatchRefused(JudgeError):
    """The endpoint has no batches, or does not take this one; nothing was started."""


class BatchIsGone(JudgeError):
    """The endpoint does not say what became of a batch, or of the file of its replies."""


class QuestionFailed(JudgeError):
    """A question got no reply in a batch, though it may get one in another.

    Attributes:
        words: The provider's own sentence; may be empty.
    """

    def __init__(self, message: str, words: str) -> None:
        """Keep the provider's sentence.

        Args:
            message: The message.
            words: The provider's own sentence.
        """
        super().__init__(message)
        self.words = words


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch as the provider describes it.

    Attributes:
        id: Its name there.
        status: Its state, such as `in_progress` or `completed`.
        total: Number of its questions; 0 before the provider has counted them.
        completed: Number of questions with a reply.
        failed: Number of questions without a reply.
        words: The provider's own sentence about what went wrong; may be empty.
        files: Names of the files with replies and with errors.
    """

    id: str
    status: str
    total: int = 0
    completed: int = 0
    failed: int = 0
    words: str = ""
    files: tuple[str, ...] = ()

    @property
    def has_ended(self) -> bool:
        """Whether nothing more happens to it."""
        return self.status in ENDED

    @property
    def is_complete(self) -> bool:
        """Whether it ended as it should, with a reply or an error for every question."""
        return self.status == "completed"


class ChatBatches:
    """The batches of one model at one endpoint.

    Attributes:
        client: Asks the model in the ordinary way; knows the form of requests that it takes.
    """

    def __init__(self, client: ChatClient) -> None:
        """Keep the client; nothing is sent yet.

        Args:
            client: Asks the model in the ordinary way.
        """
        self.client = client
        self._connection = client.connection
        self._address = client.connection.address

    @property
    def where(self) -> str:
        """The endpoint as messages show it."""
        return self._address.shown

    def line(self, key: str, question: ChatQuestion) -> bytes:
        """Return the line of a file that asks a question.

        Args:
            key: What the reply is found by, at most 64 letters and digits.
            question: The question.
        """
        body = self.client.body(question, self.client.form)
        line = {"custom_id": key, "method": "POST", "url": ENDPOINT, "body": body}
        return json.dumps(line).encode() + b"\n"

    def upload(self, lines: bytes) -> str:
        """Send a file of questions, and return its name; costs nothing yet.

        Raises:
            BatchRefused: If the server has no batches, or does not take the file.
            JudgeError: If it stays out of reach.
        """
        form = httpx2.Request(
            "POST",
            "http://form/",  # only its content is used: the library writes the parts of the form
            data={"purpose": "batch"},
            files={"file": ("questions.jsonl", lines, "application/jsonl")},
        )
        request = HttpRequest(
            "POST",
            self._address.sibling("files"),
            form.read(),
            form.headers["Content-Type"],
            Limits(TRANSFER_SECONDS),
        )
        try:
            reply = self._ask(request)
        except _NotFound as error:
            raise self._no_batches(error.error.status, error.error.words) from error
        if name := text(reply.get("id")):
            return name
        raise self._no_batches(200, "the reply to a file names no file")

    def create(self, file: str) -> Batch:
        """Start a batch; a lost connection does not start it twice.

        Args:
            file: Name of the uploaded file.

        Raises:
            BatchRefused: If the server does not take the batch.
            JudgeError: If it stays out of reach; the batch may have been started then.
        """
        fields = {"input_file_id": file, "endpoint": ENDPOINT, "completion_window": WINDOW}
        url, content = self._address.sibling("batches"), json.dumps(fields).encode()
        faults = 0
        while True:
            try:
                raw = self._connection.send(HttpRequest("POST", url, content))
                error = error_of(raw) if raw.status >= 400 else None
                if error is None:
                    return self._batch(mapping(read_json(raw.body)))
                self._wait(error, faults)
            except RequestFailed as failure:
                self._wait(failure, faults)
            except _NotFound as error:
                raise self._no_batches(error.error.status, error.error.words) from error
            faults += 1
            if batch := self.find(file):
                return batch

    def find(self, file: str) -> Batch | None:
        """Return the batch that was made of a file; None if there is none.

        Args:
            file: Name of the uploaded file.

        Raises:
            BatchIsGone: If the server does not list its batches.
            JudgeError: If it stays out of reach.
        """
        after: dict[str, str] = {}
        for _ in range(MOST_PAGES):
            url = self._address.sibling("batches", {"limit": str(PAGE), **after})
            try:
                page = self._ask(HttpRequest("GET", url))
            except _NotFound as error:
                reason = f"does not say whether a batch of the file {file} was started"
                raise BatchIsGone(self._not_found(reason, error)) from error
            entries = [mapping(entry) for entry in items(page.get("data"))]
            for entry in entries:
                if entry.get("input_file_id") == file:
                    return self._batch(entry)
            if not page.get("has_more") or not entries:
                break
            after = {"after": text(entries[-1].get("id"))}
        return None

    def look(self, batch: str) -> Batch:
        """Return the present state of a batch.

        Args:
            batch: Its name.

        Raises:
            BatchIsGone: If the server does not know it.
            JudgeError: If the server does not say.
        """
        request = HttpRequest("GET", self._address.sibling(f"batches/{quote(batch, safe='')}"))
        try:
            return self._batch(self._ask(request))
        except _NotFound as error:
            raise BatchIsGone(self._not_found(f"knows no batch {batch}", error)) from error

    def replies(
        self, batch: Batch, form: Form, questions: int
    ) -> Iterator[tuple[str, Reply | Form | JudgeError | str]]:
        """Yield what follows from each line of a batch that has ended, with its question's key.

        That is the reply; or the form in which to ask again; or the error (a `RequestRefused` if
        the same question would get it again); or in a few words what is wrong with a reply that
        does not follow the API. Lines that name no question are passed over.

        Args:
            batch: The batch.
            form: The form in which its questions were asked.
            questions: Number of its questions.

        Raises:
            BatchIsGone: If the server does not know the files.
            JudgeError: If the server does not send them.
        """
        for file in batch.files:
            for line in self._download(file, questions).split(b"\n"):
                fields = mapping(read_json(line))
                if key := text(fields.get("custom_id")):
                    yield key, self._read(fields, form)

    def ended_badly(self, batch: Batch, words: str, remedy: str) -> JudgeError:
        """Return the error for a batch that failed, expired or was cancelled.

        Args:
            batch: The batch.
            words: What the provider says about it.
            remedy: What to do.
        """
        ends = {"failed": "was refused", "expired": "expired"}
        end = ends.get(batch.status, "was cancelled")
        replies = f" ({batch.completed} of {batch.total} questions have a reply)"
        reason = f"says that the batch {batch.id} {end}{replies if batch.total else ''}"
        return JudgeError(self.client.sentence(reason, words, remedy))

    def _read(self, line: Mapping[str, object], form: Form) -> Reply | Form | JudgeError | str:
        response = mapping(line.get("response"))
        if not response:  # the question was never put to the model
            error = mapping(line.get("error"))
            code = text(error.get("code")) or "no reason given"
            return self._failed(f"did not take up a question ({code})", text(error.get("message")))
        status = response.get("status_code")
        status = status if isinstance(status, int) else 200
        try:
            raw = HttpReply(status, {}, json.dumps(response.get("body")).encode())
        except RecursionError:
            return "it is nested too deeply"
        outcome = self.client.read(raw, form, has_system=True)
        if not isinstance(outcome, ProviderError):
            return outcome
        if outcome.is_passing:
            return self._failed(f"answered {outcome.status} in a batch", outcome.words)
        return self.client.lasting(outcome)

    def _failed(self, reason: str, words: str) -> QuestionFailed:
        return QuestionFailed(self.client.sentence(reason, words), words)

    def _download(self, file: str, questions: int) -> bytes:
        bound = min(max(8_000_000, BYTES_PER_REPLY * questions), MOST_REPLY_BYTES)
        request = HttpRequest(
            "GET",
            self._address.sibling(f"files/{quote(file, safe='')}/content"),
            limits=Limits(TRANSFER_SECONDS, bound),
        )
        try:
            return self._sent(request).body
        except _NotFound as error:
            raise BatchIsGone(self._not_found(f"knows no file {file}", error)) from error

    def _batch(self, fields: Mapping[str, object]) -> Batch:
        counts = mapping(fields.get("request_counts"))
        errors = items(mapping(fields.get("errors")).get("data"))
        words = [text(mapping(error).get("message")).strip() for error in errors]
        name, status = text(fields.get("id")), text(fields.get("status"))
        if not name or not status:
            reason = (
                "sent a reply about a batch that does not follow the API: it has no id or status"
            )
            raise JudgeError(self.client.sentence(reason, "", RESUMED))
        return Batch(
            name,
            status,
            _count(counts.get("total")),
            _count(counts.get("completed")),
            _count(counts.get("failed")),
            " ".join(dict.fromkeys(word for word in words if word)),
            tuple(
                file
                for each in ("output_file_id", "error_file_id")
                if (file := text(fields.get(each)))
            ),
        )

    def _ask(self, request: HttpRequest) -> Mapping[str, object]:
        return mapping(read_json(self._sent(request).body))

    def _sent(self, request: HttpRequest) -> HttpReply:
        """Send a request that may be sent twice, and return a reply that is no error."""
        faults = 0
        while True:
            try:
                raw = self._connection.send(request)
                error = error_of(raw) if raw.status >= 400 else None
                if error is None:
                    return raw
                self._wait(error, faults)
            except RequestFailed as failure:
                self._wait(failure, faults)
            faults += 1

    def _wait(self, fault: ProviderError | RequestFailed, faults: int) -> None:
        """Wait before the next try, or raise the error for a fault that no further try mends."""
        asked = None if isinstance(fault, RequestFailed) else fault.wait
        is_lasting = not fault.is_passing or faults >= TRIES or (asked or 0.0) > LONGEST_WAIT
        if isinstance(fault, RequestFailed):
            if is_lasting:
                raise JudgeError(self.client.sentence(str(fault), "", RESUMED)) from fault
        elif fault.status in NO_SUCH_PLACE:
            raise _NotFound(fault)
        elif is_lasting:
            raise self._refusal(fault)
        time.sleep(pause_after(faults + 1) if asked is None else asked)

    def _refusal(self, error: ProviderError) -> JudgeError:
        if error.status in OF_THE_REQUEST:
            reason = f"does not take the batch ({error.status})"
            return BatchRefused(self.client.sentence(reason, error.words, RESUMED))
        words = str(self.client.lasting(error, " after all retries"))
        return JudgeError(words) if error.is_passing else BatchRefused(words)

    def _no_batches(self, status: int, words: str) -> JudgeError:
        reason = f"has no batch API ({status})"
        return BatchRefused(self.client.sentence(reason, words, "Ask it without --batch."))

    def _not_found(self, reason: str, error: _NotFound) -> str:
        return self.client.sentence(f"{reason} ({error.error.status})", error.error.words)


class _NotFound(Exception):
    """There is nothing at an address."""

    def __init__(self, error: ProviderError) -> None:
        super().__init__(error.words)
        self.error = error


def _count(value: object) -> int:
    return value if isinstance(value, int) and value >= 0 else 0
