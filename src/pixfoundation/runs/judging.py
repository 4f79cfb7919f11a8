"""The stage that needs a judge: grades, picked masks, concepts, appended to `verdicts.jsonl`.

Each verdict is on disk before the next is waited for; what a judge has said of an answer it is not
asked again.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np

from pixfoundation.conventions import DEFAULT, JudgingConventions, PickRequest
from pixfoundation.images import load_image
from pixfoundation.judges import wording
from pixfoundation.judges.asking import concurrently
from pixfoundation.judges.base import Judge
from pixfoundation.judges.picking import Verdict, ask_concept, ask_yes_no, pick_mask
from pixfoundation.masks import Mask
from pixfoundation.runs.log import run_log
from pixfoundation.runs.records import AnswerRecord, Key, VerdictKind, VerdictRecord
from pixfoundation.runs.run_records import RunRecords
from pixfoundation.runs.store import RunDirectory
from pixfoundation.types import Sample

Task = Literal["grade", "pick", "concept"]
TASKS: tuple[Task, ...] = ("grade", "pick", "concept")
USUAL_TASKS: tuple[Task, ...] = ("grade", "pick")
"""Concepts are asked for on demand: they are one request an answer, for `when` alone."""


@dataclass(frozen=True, slots=True)
class JudgingProgress:
    """How far the judging is.

    Attributes:
        done: Answers judged, by this or an earlier call.
        total: Answers to judge.
        no_verdict: Verdicts that are none, since the judge answered something else twice.
        spared: Overlays that were not shown, since near-equal ones were.
    """

    done: int
    total: int
    no_verdict: int
    spared: int


@dataclass(frozen=True, slots=True)
class _Grading:
    """An answer of protocol 1 to grade."""

    sample: Sample
    answer: AnswerRecord


@dataclass(frozen=True, slots=True)
class _Picking:
    """An answer whose mask is to be picked."""

    sample: Sample
    expression: str
    answer: AnswerRecord
    masks: tuple[Mask, ...]


@dataclass(frozen=True, slots=True)
class _Naming:
    """A phrase whose concept is to be named, in its answer."""

    sample: Sample
    phrase: str
    answer: AnswerRecord


_Job = _Grading | _Picking | _Naming


def judge_run(
    run: RunRecords | RunDirectory,
    judge: Judge,
    *,
    tasks: Sequence[Task] = USUAL_TASKS,
    phrases: Mapping[Key, str] | None = None,
    at_once: int = 4,
    conventions: JudgingConventions = DEFAULT.judging,
    seed: int = 2024,
    report: Callable[[JudgingProgress], None] = lambda progress: None,
) -> JudgingProgress:
    """Has a judge grade answers of protocol 1, pick masks in 1 and 3, and name concepts.

    Args:
        run: A run directory with answers, or its records; verdicts are read under the lock.
        judge: Who is asked; wrap it in `CachedJudge`, so that nothing is asked twice.
        tasks: `grade`, `pick` and `concept`, or some of them.
        phrases: For `concept`, the phrase of each answer to be named: see
            `emergence.overlaps.best_phrases`.
        at_once: Questions under way at a time.
        conventions: Rules of judging: the request for a mask, and the judge's temperature.
        seed: Of the shuffled places in the tournament.
        report: Called after every verdict.

    Raises:
        JudgeError: If the judge fails; what was judged before is safe.
        RunError: If the directory is held by another process or cannot be written.
    """
    records = RunRecords.of(run)
    with (
        records.run.locked(),
        run_log(records.run, "judge") as log,
        records.run.appender("verdicts") as file,
    ):
        name = named(judge, conventions)
        log.write(f"judge: {name}; tasks: {', '.join(tasks)}")
        held = [verdict for verdict in records.verdicts if verdict.judge == name]
        said = {(v.kind, v.sample, v.protocol, v.phrase) for v in held}
        jobs = list(_jobs(records, tasks, phrases or {}))
        open_jobs = [job for job in jobs if (_kind(job), *job.answer.key, _phrase(job)) not in said]
        done, bad = len(jobs) - len(open_jobs), sum(not verdict.valid for verdict in held)
        spared = sum(verdict.deduplicated for verdict in held)
        work = partial(_judge_one, judge, conventions=conventions, seed=seed)
        for job, verdicts in concurrently(work, open_jobs, at_once):
            for kind, verdict in verdicts:
                file.append(_record(job, kind, verdict, name).to_json())
                bad += not verdict.valid
                spared += verdict.spared
            done += 1
            log.progress(done, len(jobs), bad)
            report(JudgingProgress(done, len(jobs), bad, spared))
        log.end(done, len(jobs), bad)
        return JudgingProgress(done, len(jobs), bad, spared)


def named(judge: Judge, conventions: JudgingConventions) -> str:
    """Return what stands beside a verdict: the judge, and how it was asked if not by default."""
    asked = [judge.name]
    if conventions.pick_request is PickRequest.SINGLE:
        asked.append("published")
    if conventions.temperature > 0:
        asked.append(f"temperature {conventions.temperature:g}")
    return ", ".join(asked)


def _jobs(records: RunRecords, tasks: Sequence[Task], phrases: Mapping[Key, str]) -> Iterator[_Job]:
    for answer in records.answers.values():
        sample, found = records.run.samples[answer.sample], records.candidates.get(answer.key)
        if answer.error is not None:
            continue
        if "grade" in tasks and answer.protocol == 1 and sample.answer is not None:
            yield _Grading(sample, answer)
        if "pick" in tasks and sample.expression is not None and found and found.candidates:
            masks = tuple(candidate.mask for candidate in found.candidates)
            yield _Picking(sample, sample.expression, answer, masks)
        if "concept" in tasks and answer.key in phrases:
            yield _Naming(sample, phrases[answer.key], answer)


def _kind(job: _Job) -> VerdictKind:
    """The verdict that says that a job is done."""
    if isinstance(job, _Grading):
        return "grade"
    return "pick" if isinstance(job, _Picking) else "concept"


def _phrase(job: _Job) -> str | None:
    """The phrase that a concept is of: under the published rule another one may be the best."""
    return job.phrase if isinstance(job, _Naming) else None


def _judge_one(
    judge: Judge, job: _Job, *, conventions: JudgingConventions, seed: int
) -> list[tuple[VerdictKind, Verdict]]:
    temperature = conventions.temperature
    if isinstance(job, _Grading):
        question = wording.grading_question(
            job.answer.prompt, f"({job.sample.answer})", job.answer.text, temperature
        )
        return [("grade", ask_yes_no(judge, question))]
    if isinstance(job, _Naming):
        return [("concept", ask_concept(judge, job.phrase, job.answer.text, temperature))]
    rng = np.random.default_rng([seed, zlib.crc32(job.sample.id.encode()), job.answer.protocol])
    picking = pick_mask(
        judge,
        load_image(job.sample.image),
        job.expression,
        job.masks,
        temperature=temperature,
        rng=rng,
        request=conventions.pick_request,
    )
    return [("presence", picking.presence), ("pick", picking.pick)]


def _record(job: _Job, kind: VerdictKind, verdict: Verdict, judge: str) -> VerdictRecord:
    return VerdictRecord(
        job.sample.id,
        job.answer.protocol,
        kind,
        judge,
        verdict.value,
        verdict.valid,
        verdict.reply,
        _phrase(job),
        verdict.spared,
    )
