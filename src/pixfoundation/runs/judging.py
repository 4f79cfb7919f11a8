"""The stage that needs a judge: it grades answers, picks masks and labels concepts.

Each verdict is appended to `verdicts.jsonl` before the next is waited for. A judge is not asked
again for a verdict that the run holds.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

import numpy as np

from pixfoundation.conventions import DEFAULT, JudgingConventions, PickRequest
from pixfoundation.errors import DataError
from pixfoundation.images import load_image
from pixfoundation.judges import prompts
from pixfoundation.judges.base import Judge
from pixfoundation.judges.concurrency import concurrently
from pixfoundation.judges.picking import MaskChoice, pick_mask
from pixfoundation.judges.questions import Verdict, ask_concept, ask_yes_no
from pixfoundation.masks import Mask
from pixfoundation.runs.log import run_log
from pixfoundation.runs.records import AnswerRecord, Key, VerdictKind, VerdictRecord
from pixfoundation.runs.run_records import RunRecords
from pixfoundation.runs.store import RunDirectory
from pixfoundation.types import Sample


class Task(StrEnum):
    """What a judge can be asked to do with a run."""

    GRADE = "grade"
    PICK = "pick"
    CONCEPT = "concept"


USUAL_TASKS = (Task.GRADE, Task.PICK)
"""Concepts are labelled on demand: they cost one request per answer, for the emergence analysis."""


@dataclass(frozen=True, slots=True)
class JudgingProgress:
    """The state of the judging of a run.

    Attributes:
        done: Number of answers judged, by this or an earlier call.
        total: Number of answers to judge.
        no_verdict: Number of verdicts in which the judge did not answer what was asked.
        deduplicated: Number of masks that were not shown, since near-equal ones were.
    """

    done: int
    total: int
    no_verdict: int
    deduplicated: int


AnyVerdict = Verdict[bool] | Verdict[int] | Verdict[list[str]]


@dataclass(frozen=True, slots=True)
class _Job:
    """An answer to be judged.

    Attributes:
        kind: The kind of verdict that shows that the job is done.
        sample: The sample.
        answer: The answer.
    """

    kind: ClassVar[VerdictKind]
    sample: Sample
    answer: AnswerRecord

    @property
    def phrase(self) -> str | None:
        """The phrase that the verdict is about; None if it is about the whole answer."""
        return None

    @property
    def key(self) -> tuple[VerdictKind, Key, str | None]:
        """What no second verdict is needed for."""
        return (self.kind, self.answer.key, self.phrase)

    def ask(
        self, judge: Judge, conventions: JudgingConventions, seed: int
    ) -> list[tuple[VerdictKind, AnyVerdict]]:
        """Ask the judge, and return its verdicts with their kinds."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class _Grading(_Job):
    """An answer of protocol 1 to grade."""

    kind = "grade"

    def ask(
        self, judge: Judge, conventions: JudgingConventions, seed: int
    ) -> list[tuple[VerdictKind, AnyVerdict]]:
        truth = f"({self.sample.answer})"
        question = prompts.grading_question(
            self.answer.prompt, truth, self.answer.text, conventions.temperature
        )
        return [("grade", ask_yes_no(judge, question))]


@dataclass(frozen=True, slots=True)
class _Picking(_Job):
    """An answer whose mask is to be picked."""

    kind = "pick"
    expression: str
    masks: tuple[Mask, ...]

    def ask(
        self, judge: Judge, conventions: JudgingConventions, seed: int
    ) -> list[tuple[VerdictKind, AnyVerdict]]:
        place = [seed, zlib.crc32(self.sample.id.encode()), self.answer.protocol]
        choice = MaskChoice(load_image(self.sample.image), self.expression, self.masks)
        picking = pick_mask(judge, choice, conventions, np.random.default_rng(place))
        return [("presence", picking.presence), ("pick", picking.pick)]


@dataclass(frozen=True, slots=True)
class _Labelling(_Job):
    """A phrase of an answer whose concept is to be labelled.

    The phrase is part of the key, since other rules may call another phrase the best.
    """

    kind = "concept"
    text: str

    @property
    def phrase(self) -> str | None:
        return self.text

    def ask(
        self, judge: Judge, conventions: JudgingConventions, seed: int
    ) -> list[tuple[VerdictKind, AnyVerdict]]:
        temperature = conventions.temperature
        return [("concept", ask_concept(judge, self.text, self.answer.text, temperature))]


def judge_run(
    run: RunRecords | RunDirectory,
    judge: Judge,
    *,
    tasks: Sequence[Task | str] = USUAL_TASKS,
    phrases: Mapping[Key, str] | None = None,
    at_once: int = 4,
    conventions: JudgingConventions = DEFAULT.judging,
    seed: int = 2024,
    on_progress: Callable[[JudgingProgress], None] = lambda progress: None,
) -> JudgingProgress:
    """Have a judge grade answers of protocol 1, pick masks in 1 and 3, and label concepts.

    Args:
        run: A run directory with answers, or its records; verdicts are read under the lock.
        judge: The judge; wrap it in `CachedJudge`, so that nothing is asked twice.
        tasks: Any of `grade`, `pick` and `concept`.
        phrases: For `concept`, the phrase of each answer to label; see
            `emergence.overlaps.best_phrases`.
        at_once: Number of concurrent questions.
        conventions: How the judge is asked.
        seed: Seed of the shuffled places in the tournament.
        on_progress: Called after every judged answer.

    Raises:
        DataError: If there is no such task.
        JudgeError: If the judge fails; the verdicts before that are safe.
        RunError: If another process writes to the directory, or it cannot be written.
    """
    known_tasks = _known_tasks(tasks)
    records = RunRecords.of(run)
    with (
        records.run.locked(),
        run_log(records.run, "judge") as log,
        records.run.appender("verdicts") as file,
    ):
        name = author_name(judge, conventions)
        log.write(f"judge: {name}; tasks: {', '.join(known_tasks)}")
        existing = [verdict for verdict in records.verdicts if verdict.judge == name]
        judged = {(verdict.kind, verdict.key, verdict.phrase) for verdict in existing}
        jobs = list(_jobs(records, known_tasks, phrases or {}))
        pending = [job for job in jobs if job.key not in judged]
        progress = JudgingProgress(
            done=len(jobs) - len(pending),
            total=len(jobs),
            no_verdict=sum(not verdict.valid for verdict in existing),
            deduplicated=sum(verdict.deduplicated for verdict in existing),
        )
        results = concurrently(lambda job: job.ask(judge, conventions, seed), pending, at_once)
        for job, verdicts in results:
            for kind, verdict in verdicts:
                file.append(_record(job, kind, verdict, name).to_json())
            progress = JudgingProgress(
                progress.done + 1,
                progress.total,
                progress.no_verdict + sum(not verdict.valid for _, verdict in verdicts),
                progress.deduplicated + sum(verdict.deduplicated for _, verdict in verdicts),
            )
            log.progress(progress.done, progress.total, progress.no_verdict)
            on_progress(progress)
        log.end(progress.done, progress.total, progress.no_verdict)
        return progress


def author_name(judge: Judge, conventions: JudgingConventions) -> str:
    """Return the name written with verdicts: the judge, and how it was asked if not by default."""
    parts = [judge.name]
    if conventions.pick_request is PickRequest.SINGLE:
        parts.append("published")
    if conventions.temperature > 0:
        parts.append(f"temperature {conventions.temperature:g}")
    return ", ".join(parts)


def _known_tasks(tasks: Sequence[Task | str]) -> list[Task]:
    known = [task.value for task in Task]
    if unknown := [task for task in tasks if task not in known]:
        raise DataError(f"tasks must be any of {', '.join(known)}, but hold {unknown[0]!r}.")
    return [Task(task) for task in tasks]


def _jobs(records: RunRecords, tasks: Sequence[Task], phrases: Mapping[Key, str]) -> Iterator[_Job]:
    for answer in records.answers.values():
        sample, record = records.run.samples[answer.sample], records.candidates.get(answer.key)
        if answer.error is not None:
            continue
        if Task.GRADE in tasks and answer.protocol == 1 and sample.answer is not None:
            yield _Grading(sample, answer)
        if Task.PICK in tasks and sample.expression is not None and record and record.candidates:
            masks = tuple(candidate.mask for candidate in record.candidates)
            yield _Picking(sample, answer, sample.expression, masks)
        if Task.CONCEPT in tasks and answer.key in phrases:
            yield _Labelling(sample, answer, phrases[answer.key])


def _record(job: _Job, kind: VerdictKind, verdict: AnyVerdict, judge: str) -> VerdictRecord:
    return VerdictRecord(
        job.sample.id,
        job.answer.protocol,
        kind,
        judge,
        verdict.value,
        verdict.valid,
        verdict.reply,
        job.phrase,
        verdict.deduplicated,
    )
