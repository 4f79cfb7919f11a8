"""A judge that the workers of an engine load, each a copy of its own.

The cache of replies stays with this process: a job is sent with the replies that are known to its
questions, and comes back with the new ones, so that nothing is asked twice and no folder is shared.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from pixfoundation.conventions import JudgingConventions
from pixfoundation.engines import Crew, Engine, Unit
from pixfoundation.failures import is_device_lost
from pixfoundation.judges import judges
from pixfoundation.judges.base import Judge, JudgeReply, Postponed, Question
from pixfoundation.judges.cache import ReplyCache, storable
from pixfoundation.recipe import Made, Recipe
from pixfoundation.runs.judging_jobs import Job, JobJudge, JobOutcome, outcome_of
from pixfoundation.runs.measuring import Measured, measuring, next_of


@dataclass(frozen=True, slots=True, eq=False)
class JudgeItem:
    """What a worker needs for one answer.

    Attributes:
        job: What is asked.
        known: Replies that were given before, by the key of their question.
        conventions: How the judge is asked.
        seed: Seed of the shuffled places in the tournament.
    """

    job: Job
    known: Mapping[str, JudgeReply]
    conventions: JudgingConventions
    seed: int


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """What a worker sends back.

    Attributes:
        outcome: The verdicts, or why there are none.
        replies: The new replies, by the key of their question.
    """

    outcome: JobOutcome
    replies: Mapping[str, JudgeReply]


@dataclass(slots=True)
class _Remembering:
    """A judge that knows some replies and notes the others."""

    judge: Judge
    known: Mapping[str, JudgeReply]
    name: str = ""
    noted: dict[str, JudgeReply] = field(default_factory=dict[str, JudgeReply])

    def ask(self, question: Question) -> JudgeReply:
        key = question.key(self.judge.name)
        for replies in (self.known, self.noted):
            if key in replies:
                return replies[key]
        reply = self.noted[key] = storable(self.judge.ask(question))
        return reply


@dataclass(slots=True)
class _Recalling:
    """Replies from the cache alone, and notes what it gave."""

    name: str
    cache: ReplyCache
    replies: dict[str, JudgeReply] = field(default_factory=dict[str, JudgeReply])

    def ask(self, question: Question) -> JudgeReply:
        key = question.key(self.name)
        reply = self.cache.get(key)
        if reply is None:
            raise Postponed
        self.replies[key] = reply
        return reply


@dataclass(frozen=True, slots=True)
class JudgeMeasurement:
    """Asks a judge about one answer."""

    ends = ()

    def describe(self, part: Judge) -> str:
        """Return the name of a judge."""
        return part.name

    def measure(self, part: Judge, item: JudgeItem) -> Judged:
        """Return the verdicts about an answer; raise RuntimeError if the device is lost."""
        judge = _Remembering(part, item.known, part.name)
        outcome = outcome_of(item.job, judge, item.conventions, item.seed)
        if isinstance(outcome, str) and is_device_lost(lost := RuntimeError(outcome)):
            raise lost
        return Judged(outcome, judge.noted)


class DealtJudge(JobJudge):
    """A judge in the workers of an engine.

    Attributes:
        name: Name of the judge.
        asked: Number of questions so far, without the replies that came from the cache.
    """

    def __init__(self, crew: Crew, cache: ReplyCache) -> None:
        """Wait for the first worker.

        Args:
            crew: The workers.
            cache: Where replies are kept.
        """
        self.name: str = crew.describe()
        self.asked = 0
        self.log = lambda line: None
        self._crew, self._cache = crew, cache

    def outcomes(
        self, jobs: Sequence[Job], conventions: JudgingConventions, seed: int
    ) -> Iterator[tuple[Job, JobOutcome]]:
        """See `JobJudge.outcomes`."""

        def load(job: Job) -> JudgeItem:
            known = self._known(job, conventions, seed)
            return JudgeItem(job.packed(self._crew), known, conventions, seed)

        units = [Unit(_name(job), partial(load, job), job.cost) for job in jobs]
        job_of = {id(unit): job for unit, job in zip(units, jobs, strict=True)}
        for outcome in self._crew.deal(units):
            measured: Measured[Judged] = next_of(outcome)
            job = job_of[id(outcome.unit)]
            if measured.result is None:
                yield job, measured.reason or "no reply"
                continue
            for key, reply in measured.result.replies.items():
                self._cache.put(key, reply)
            self.asked += len(measured.result.replies)
            yield job, measured.result.outcome

    def _known(self, job: Job, conventions: JudgingConventions, seed: int) -> dict[str, JudgeReply]:
        """Return the replies in the cache that lead to the first questions without one."""
        recalling = _Recalling(self.name, self._cache)
        with suppress(Postponed):
            outcome_of(job, recalling, conventions, seed)
        return recalling.replies


def _name(job: Job) -> str:
    return f"the answer of sample {job.sample.id} to protocol {job.answer.protocol}"


@dataclass(frozen=True, slots=True)
class JudgeRecipe:
    """How a judge is loaded.

    Attributes:
        backend: Name in the registry of judges.
        model: The judge's model.
        options: Options of the backend.
        shown: The model as it is written with verdicts; None for `model`.
    """

    backend: str
    model: str
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    shown: str | None = None

    def make(self, load: object = None) -> Judge:
        """Load the judge."""
        judge = judges.get(self.backend)(self.model, **self.options)
        if self.shown is not None:
            judge.name = judge.name.replace(self.model, self.shown)
        return judge

    def portable(self, **defaults: Any) -> JudgeRecipe:
        """Return the recipe with a local folder by its absolute path."""
        portable = Recipe(self.model, self.options).portable(**defaults)
        return JudgeRecipe(self.backend, portable.name, portable.options, self.model)


@contextmanager
def dealt_judge(engine: Engine, judge: Made[Judge] | Judge, folder: Path) -> Generator[DealtJudge]:
    """Start workers that hold a judge; they end with the block.

    Args:
        engine: The engine.
        judge: The judge, of which each worker gets a copy, or how it is loaded.
        folder: Folder of the replies; this process alone uses it.

    Raises:
        JudgeError: If the folder of replies cannot be created.
        PixFoundationError: If the judge cannot be loaded.
    """
    replies = ReplyCache(folder)
    with measuring(engine, judge, JudgeMeasurement()) as crew:
        yield DealtJudge(crew, replies)
