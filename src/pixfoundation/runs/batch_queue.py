"""The batches of a judge that are under way: started once, looked at, and fetched into the cache.

What a batch costs is paid when it is started. Its entry in the run directory is therefore written
before that, and goes when all of its replies are in the cache; a batch whose name a killed process
did not learn is found again by its file of questions.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from msgspec.structs import replace

from pixfoundation.answer_parts import Reply
from pixfoundation.endpoints.batches import (
    Batch,
    BatchIsGone,
    BatchRefused,
    ChatBatches,
    QuestionFailed,
)
from pixfoundation.endpoints.client import RESUMED
from pixfoundation.endpoints.negotiation import Form
from pixfoundation.errors import JudgeError, RunError
from pixfoundation.judges.base import RequestRefused
from pixfoundation.judges.cache import ReplyCache, storable
from pixfoundation.judges.endpoint import judge_reply
from pixfoundation.runs.batch_file import PendingBatch, names_of, read_batches, write_batches
from pixfoundation.typed_json import UnreadableError, convert
from pixfoundation.wording import counted

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""Seconds until the second look at a batch, and the greatest number between two looks."""
MOST_TRIES = 6
"""Number of batches in which a question is asked before it counts as refused."""


@dataclass(frozen=True, slots=True)
class BatchProgress:
    """How far the batches are that are under way.

    Attributes:
        batches: Their names at the provider.
        replies: Number of questions with a reply or an error.
        questions: Number of their questions.
    """

    batches: tuple[str, ...]
    replies: int
    questions: int


class BatchQueue:
    """The batches of one judge in one run directory.

    Attributes:
        api: The batches at the endpoint.
        refused: Why questions get no reply, however often they are asked, by their keys.
        failed: Why questions got no reply in their batch, though they may in another.
        form_is_known: Whether the form is known in which the model takes questions.
        log: Writes a line to the log of the run.
    """

    def __init__(self, name: str, api: ChatBatches, cache: ReplyCache, file: Path) -> None:
        """Keep the settings; nothing is sent yet.

        Args:
            name: Name of the judge.
            api: The batches at the endpoint.
            cache: Where replies are kept.
            file: The file of the batches that are under way.
        """
        self.api = api
        self.refused: dict[str, str] = {}
        self.failed: dict[str, str] = {}
        self.form_is_known = False
        self.log: Callable[[str], None] = lambda line: None
        self._name, self._cache, self._file = name, cache, file
        self._tries: Counter[str] = Counter()
        self._broken: set[str] = set()

    def start(self, keys: Sequence[str], lines: bytes) -> None:
        """Start a batch.

        Args:
            keys: Keys of its questions.
            lines: Its file; see `ChatBatches.line`.

        Raises:
            JudgeError: If the endpoint has no batches, does not take it, or stays out of reach.
            RunError: If the file of batches is damaged or cannot be written.
        """
        self._tries.update(keys)
        file = self.api.upload(lines)
        form = asdict(self.api.client.form)
        entry = PendingBatch(self._name, self.api.where, file, None, form, list(keys))
        self._replace(None, entry)
        self._started(entry)

    def fetch(self, *, wait: bool, on_progress: Callable[[BatchProgress | None], None]) -> bool:
        """Put the replies of all batches into the cache.

        Args:
            wait: Whether to wait until all have ended.
            on_progress: Called at every look at the batches; with None when all are done.

        Returns:
            Whether that is done; False if some are under way and are not waited for.

        Raises:
            JudgeError: If a batch failed, expired or was cancelled, or the endpoint does not say.
            RunError: If the file of batches is damaged or cannot be written.
        """
        pause = FIRST_PAUSE
        while entries := self._entries():
            batches = [self._look(entry, name) for entry, name in entries]
            on_progress(
                BatchProgress(
                    tuple(name for _, name in entries),
                    sum(batch.completed + batch.failed for batch in batches),
                    sum(len(entry.questions) for entry, _ in entries),
                )
            )
            for (entry, _), batch in zip(entries, batches, strict=True):
                if batch.has_ended:
                    self._keep(entry, batch)
            if all(batch.has_ended for batch in batches):
                continue
            if not wait:
                return False
            time.sleep(pause)
            pause = min(1.5 * pause, LONGEST_PAUSE)
        on_progress(None)
        return True

    def _entries(self) -> list[tuple[PendingBatch, str]]:
        """Return the batches of this judge, each with its name at the provider."""
        named: list[tuple[PendingBatch, str]] = []
        for entry in read_batches(self._file):
            if entry.judge != self._name:
                continue
            if entry.endpoint != self.api.where:
                raise JudgeError(
                    f"{self._name} is asked in {names_of([entry])} at {entry.endpoint}, not at "
                    f"{self.api.where}. Give that address with --base-url, or delete "
                    f"{self._file} to ask, and pay for, its questions again."
                )
            if entry.batch is None:  # the process that started it was stopped before it knew
                entry = self._started(entry, is_new=False)
            named.append((entry, entry.batch or ""))
        return named

    def _started(self, entry: PendingBatch, *, is_new: bool = True) -> PendingBatch:
        """Start a batch, unless it was started, and return its entry with its name."""
        try:
            batch = None if is_new else self.api.find(entry.file)
            batch = batch or self.api.create(entry.file)
        except BatchRefused:
            self._replace(entry, None)  # there is nothing to go on with
            raise
        except BatchIsGone as error:
            raise self._gone(error) from error
        named = replace(entry, batch=batch.id)
        self._replace(entry, named)
        self.log(f"batch {batch.id} started: {counted(len(entry.questions), 'question')}")
        return named

    def _look(self, entry: PendingBatch, name: str) -> Batch:
        try:
            return self.api.look(name)
        except BatchIsGone as error:
            raise self._gone(error) from error

    def _keep(self, entry: PendingBatch, batch: Batch) -> None:
        """Put the replies of a batch that has ended into the cache, and forget the batch."""
        replies = f"{batch.completed} of {counted(len(entry.questions), 'question')} with a reply"
        self.log(f"batch {batch.id} {batch.status}: {replies}")
        form = self._form_of(entry)
        if not self.form_is_known:
            self.api.client.form, self.form_is_known = form, True
        missing = dict.fromkeys(entry.questions)
        words = batch.words
        try:
            for key, outcome in self.api.replies(batch, form, len(entry.questions)):
                if key in missing:
                    del missing[key]
                    self._note(key, outcome)
                    words = words or (outcome.words if isinstance(outcome, QuestionFailed) else "")
        except BatchIsGone as error:
            raise self._gone(error) from error
        self._replace(entry, None)
        if not batch.is_complete:
            raise self.api.ended_badly(batch, words, RESUMED)
        for key in missing:
            self.failed[key] = f"{self.api.where} left out a question of the batch {batch.id}."

    def _note(self, key: str, outcome: Reply | Form | JudgeError | str) -> None:
        """Keep a reply, or why there is none; a question to be asked again is not noted."""
        client = self.api.client
        if isinstance(outcome, Reply):
            self._cache.put(key, storable(judge_reply(outcome)))
        elif isinstance(outcome, RequestRefused):
            self.refused[key] = str(outcome)
        elif isinstance(outcome, JudgeError):
            self.failed[key] = str(outcome)
        elif isinstance(outcome, str) and key in self._broken:
            self.refused[key] = str(client.broken_twice(outcome))
        elif self._tries[key] >= MOST_TRIES:
            self.refused[key] = str(client.no_form())
        elif isinstance(outcome, str):
            self._broken.add(key)

    def _form_of(self, entry: PendingBatch) -> Form:
        try:
            return convert(entry.form, Form)
        except UnreadableError as error:
            raise RunError(f"{self._file} is damaged (form, {error}).") from error

    def _replace(self, old: PendingBatch | None, new: PendingBatch | None) -> None:
        """Put an entry of the file into the place of another; None for no entry."""
        kept = [entry for entry in read_batches(self._file) if old is None or entry != old]
        write_batches(self._file, kept if new is None else [*kept, new])

    def _gone(self, error: BatchIsGone) -> JudgeError:
        return JudgeError(
            f"{error} Is it the key of the account that sent it? Delete {self._file} to ask, and "
            "pay for, its questions again."
        )
