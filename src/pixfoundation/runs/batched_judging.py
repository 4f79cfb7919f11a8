"""A judge that is asked by batches of its provider, which cost less and take longer.

All questions whose wording is known go out together; a question that follows from a reply (a
reminder, the next round of the tournament) goes into the next batch. Replies come into the same
cache as those to single questions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pixfoundation.conventions import JudgingConventions
from pixfoundation.endpoints.batches import MOST_BYTES, MOST_REQUESTS, ChatBatches
from pixfoundation.endpoints.client import RESUMED
from pixfoundation.errors import JudgeError
from pixfoundation.judges.base import Judge, JudgeReply, Postponed, Question, RequestRefused
from pixfoundation.judges.cache import ReplyCache, storable, used_up
from pixfoundation.judges.endpoint import Endpoint, chat_question
from pixfoundation.runs.batch_queue import BatchProgress, BatchQueue
from pixfoundation.runs.judging_jobs import Job, JobJudge, JobOutcome, outcome_of
from pixfoundation.wording import counted


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchOptions:
    """How batches are made and waited for.

    Attributes:
        wait: Whether to wait for the replies; else a call ends when its questions are sent.
        budget: Greatest number of questions of this process; None for no bound.
        most_requests: Greatest number of questions in one batch.
        most_bytes: Greatest size of its file.
        on_progress: Called at every look at batches that are under way; with None when the replies
            of all have come.
    """

    wait: bool = True
    budget: int | None = None
    most_requests: int = MOST_REQUESTS
    most_bytes: int = MOST_BYTES
    on_progress: Callable[[BatchProgress | None], None] = lambda progress: None


class BatchedJudge(JobJudge):
    """A judge behind an endpoint with batches.

    The first question of a process is asked in the ordinary way: its reply shows that key and model
    are right, and in which form the model takes questions, before a batch in that form is sent.

    Attributes:
        name: Name of the judge.
        asked: Number of questions that were sent so far.
    """

    failures_in_a_row = None  # they were asked together

    def __init__(
        self, judge: Judge, cache: ReplyCache, file: Path, options: BatchOptions = BatchOptions()
    ) -> None:
        """Keep the settings; nothing is sent yet.

        Args:
            judge: The judge behind the endpoint.
            cache: Where replies are kept.
            file: Where the batches that are under way are kept; see `runs.batch_file.BATCHES`.
            options: How batches are made and waited for.

        Raises:
            JudgeError: If the judge is of another kind.
        """
        if not isinstance(judge, Endpoint):
            raise JudgeError(f"{judge.name} has no batch API. Ask it without --batch.")
        self.name, self.asked = judge.name, 0
        self.log = lambda line: None
        self._judge, self._cache, self._options = judge, cache, options
        self._queue = BatchQueue(judge.name, ChatBatches(judge.client), cache, file)
        self._queue.log = lambda line: self.log(line)

    def outcomes(
        self, jobs: Sequence[Job], conventions: JudgingConventions, seed: int
    ) -> Iterator[tuple[Job, JobOutcome]]:
        """Yield what the judge says to each job, batch by batch.

        Ends early if replies are not waited for; the last progress says what is under way.

        Args:
            jobs: What is asked.
            conventions: How the judge is asked.
            seed: Seed of the shuffled places in the tournament.

        Raises:
            JudgeError: If a batch failed, expired or was cancelled; if some of its questions got
                no reply; if the budget is used up; or if the endpoint has no batches or stays out
                of reach. Replies that came are safe.
            RunError: If the file of batches is damaged or cannot be written.
        """
        if not self._fetch():
            return
        open_jobs = list(jobs)
        while open_jobs:
            asker = _Asker(self.name, self._reply, _Outbox(self._queue, self._options))
            postponed: list[Job] = []
            for job in open_jobs:
                try:
                    outcome = outcome_of(job, asker, conventions, seed)
                except Postponed:
                    postponed.append(job)
                    asker.outbox.send_full()
                else:
                    yield job, outcome
            asker.outbox.send()
            if not self._fetch():
                return
            if postponed and not asker.outbox.keys:
                raise self._unanswered()
            open_jobs = postponed

    def _fetch(self) -> bool:
        options = self._options
        return self._queue.fetch(wait=options.wait, on_progress=options.on_progress)

    def _reply(self, question: Question, outbox: _Outbox) -> JudgeReply:
        """Return the reply to a question if it is known; else put it into the next batch.

        Raises:
            RequestRefused: If this question gets no reply.
            Postponed: If its reply comes later.
            JudgeError: If the judge fails.
        """
        key = question.key(self.name)
        if (cached := self._cache.get(key)) is not None:
            return cached
        if key in self._queue.refused:
            raise RequestRefused(self._queue.refused[key])
        if key in self._queue.failed or key in outbox.keys or self._is_used_up:
            raise Postponed
        if not self._queue.form_is_known:
            self.asked += 1
            return self._first_reply(key, question)
        line = self._queue.api.line(key, chat_question(question))
        if len(line) > self._options.most_bytes:
            words = f"The question has {len(line):,} bytes, more than a batch may have."
            self._queue.refused[key] = words
            raise RequestRefused(words)
        self.asked += 1
        outbox.add(key, line)
        raise Postponed

    def _first_reply(self, key: str, question: Question) -> JudgeReply:
        """Ask a question in the ordinary way."""
        try:
            reply = storable(self._judge.ask(question))
        except RequestRefused as error:
            self._queue.refused[key] = str(error)
            raise
        self._cache.put(key, reply)
        self._queue.form_is_known = True
        return reply

    @property
    def _is_used_up(self) -> bool:
        budget = self._options.budget
        return budget is not None and self.asked >= budget

    def _unanswered(self) -> JudgeError:
        """Return the error for jobs whose questions got no reply and are not asked again now."""
        failed = Counter(self._queue.failed.values())
        if not failed:
            return used_up(self._options.budget or 0)
        (reason, count), *others = failed.most_common()
        for_some = f" ({count} of them for this reason)" if others else ""
        questions = counted(failed.total(), "question")
        return JudgeError(f"{questions} got no reply in a batch{for_some}: {reason} {RESUMED}")


class _Outbox:
    """The questions of one round, which go out in batches of bounded size.

    Attributes:
        keys: Keys of all questions of the round.
    """

    def __init__(self, queue: BatchQueue, options: BatchOptions) -> None:
        self.keys: set[str] = set()
        self._queue, self._options = queue, options
        self._lines: list[tuple[str, bytes]] = []
        self._bytes = 0

    def add(self, key: str, line: bytes) -> None:
        """Keep a question for the next batch."""
        self.keys.add(key)
        self._lines.append((key, line))
        self._bytes += len(line)

    def send_full(self) -> None:
        """Start batches for as long as there are more questions than one holds."""
        limits = self._options
        while self._bytes > limits.most_bytes or len(self._lines) > limits.most_requests:
            count = size = 0
            for _, line in self._lines:
                if size + len(line) > limits.most_bytes or count == limits.most_requests:
                    break
                count, size = count + 1, size + len(line)
            self._start(count)

    def send(self) -> None:
        """Start batches for all questions."""
        self.send_full()
        if self._lines:
            self._start(len(self._lines))

    def _start(self, count: int) -> None:
        batch, self._lines = self._lines[:count], self._lines[count:]
        lines = b"".join(line for _, line in batch)
        self._bytes -= len(lines)
        self._queue.start([key for key, _ in batch], lines)


@dataclass(slots=True)
class _Asker:
    """A judge that knows some replies and puts the other questions into an outbox."""

    name: str
    reply: Callable[[Question, _Outbox], JudgeReply]
    outbox: _Outbox

    def ask(self, question: Question) -> JudgeReply:
        return self.reply(question, self.outbox)
