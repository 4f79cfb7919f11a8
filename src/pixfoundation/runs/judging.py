"""The stage that needs a judge: it grades answers, picks masks and labels concepts.

Each verdict is appended to `verdicts.jsonl`, and is on disk, before the next question is taken up.
A judge is not asked again for a verdict that the run holds. A question that the judge does not
take is one without a verdict; several in a row stop the judging.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from pixfoundation.conventions import DEFAULT, JudgingConventions, PickRequest
from pixfoundation.errors import DataError, JudgeError
from pixfoundation.judges.base import Judge
from pixfoundation.judges.concurrency import concurrently
from pixfoundation.judges.questions import Verdict
from pixfoundation.runs.batch_file import BATCHES, refuse_second_payment
from pixfoundation.runs.jsonl import Appender
from pixfoundation.runs.judging_jobs import (
    FAILURES_IN_A_ROW,
    AnyVerdict,
    Grading,
    Job,
    JobJudge,
    JobOutcome,
    Labelling,
    Picking,
    VerdictKey,
    outcome_of,
)
from pixfoundation.runs.log import RunLog, run_log
from pixfoundation.runs.measuring import Picture
from pixfoundation.runs.records import Key, VerdictKind, VerdictRecord
from pixfoundation.runs.run_records import RunRecords
from pixfoundation.runs.store import RunDirectory
from pixfoundation.wording import counted


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
        reasons: Why there are no verdicts, with the number of each reason.
    """

    done: int
    total: int
    no_verdict: int
    deduplicated: int
    reasons: Mapping[str, int] = field(default_factory=dict[str, int])


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgingOptions:
    """How a judge is asked about a run.

    Attributes:
        conventions: The wording of the requests, and their temperature.
        seed: Seed of the shuffled places in the tournament.
        at_once: Number of concurrent questions; an engine has as many as it has workers.
        retry_failed: Whether to ask again where there is no verdict.
    """

    conventions: JudgingConventions = DEFAULT.judging
    seed: int = 2024
    at_once: int = 4
    retry_failed: bool = False


def judge_run(
    run: RunRecords | RunDirectory,
    judge: Judge | JobJudge,
    options: JudgingOptions = JudgingOptions(),
    *,
    tasks: Sequence[Task | str] = USUAL_TASKS,
    phrases: Mapping[Key, str] | None = None,
    on_progress: Callable[[JudgingProgress], None] = lambda progress: None,
) -> JudgingProgress:
    """Have a judge grade answers of protocol 1, pick masks in 1 and 3, and label concepts.

    Args:
        run: A run directory with answers, or its records; verdicts are read under the lock.
        judge: The judge; wrap it in `CachedJudge`, so that nothing is asked twice. Or one that
            takes all jobs together: in the workers of an engine (`runs.dealt_judging`), or by the
            batches of its provider (`runs.batched_judging`).
        options: How the judge is asked.
        tasks: Any of `grade`, `pick` and `concept`.
        phrases: For `concept`, the phrase of each answer to label; see
            `emergence.overlaps.best_phrases`.
        on_progress: Called after every judged answer.

    Raises:
        DataError: If there is no such task.
        JudgeError: If the judge fails, also at `FAILURES_IN_A_ROW` questions in a row; the
            verdicts before that are safe.
        RunError: If another process writes to the directory, or it cannot be written; or if a
            batch of this judge is under way and it is asked without batches.
    """
    known_tasks = _known_tasks(tasks)
    records = RunRecords.of(run).with_variants()
    with (
        records.run.locked(),
        run_log(records.run, "judge") as log,
        records.run.appender("verdicts") as file,
    ):
        name = author_name(judge, options.conventions)
        if isinstance(judge, JobJudge):
            judge.log = log.write
        else:
            refuse_second_payment(records.run.path / BATCHES, judge.name)
        log.write(f"judge: {name}; tasks: {', '.join(known_tasks)}")
        existing: dict[VerdictKey, VerdictRecord] = {
            (verdict.kind, verdict.key, verdict.phrase): verdict
            for verdict in records.verdicts
            if verdict.judge == name and (verdict.valid or not options.retry_failed)
        }
        jobs = list(_jobs(records, known_tasks, phrases or {}, log))
        pending = [job for job in jobs if job.key not in existing]
        at_most = judge.failures_in_a_row if isinstance(judge, JobJudge) else FAILURES_IN_A_ROW
        verdicts = _Verdicts(file, name, log, existing, at_most)

        done = len(jobs) - len(pending)
        for job, outcome in _asked(judge, pending, options):
            verdicts.add(job, outcome)
            done += 1
            progress = verdicts.progress(done, len(jobs))
            log.progress(done, len(jobs), progress.no_verdict)
            on_progress(progress)
        verdicts.end()
        progress = verdicts.progress(done, len(jobs))
        log.end(done, len(jobs), progress.no_verdict)
        return progress


def _asked(
    judge: Judge | JobJudge,
    jobs: Sequence[Job],
    options: JudgingOptions,
) -> Iterator[tuple[Job, JobOutcome]]:
    """Yield what a judge says to each job, as it comes."""
    if isinstance(judge, JobJudge):
        return judge.outcomes(jobs, options.conventions, options.seed)

    def work(job: Job) -> JobOutcome:
        return outcome_of(job, judge, options.conventions, options.seed)

    return concurrently(work, jobs, options.at_once)


class _Verdicts:
    """Writes verdicts, and counts questions without a reply.

    A question without a reply is written as one without a verdict only when another gets a reply:
    where none does, the judge is at fault, and the same command asks again.
    """

    def __init__(
        self,
        file: Appender,
        judge: str,
        log: RunLog,
        existing: Mapping[VerdictKey, VerdictRecord],
        failures_in_a_row: int | None,
    ) -> None:
        self._file, self._judge, self._log = file, judge, log
        self._failures_in_a_row = failures_in_a_row
        self._existing = set(existing)
        self._failed: list[tuple[Job, str]] = []
        self._no_verdict = self._deduplicated = 0
        self._reasons: Counter[str] = Counter()
        for verdict in existing.values():
            self._count(verdict)

    def add(self, job: Job, outcome: JobOutcome) -> None:
        """Write the verdicts about one answer; what is on disk is not written again.

        Raises:
            JudgeError: If there are too many questions in a row without a reply.
        """
        if isinstance(outcome, str):
            self._log.failure(job.sample.id, job.answer.protocol, outcome)
            self._failed.append((job, outcome))
            if len(self._failed) == self._failures_in_a_row:
                raise _all_failed(self._failed)
            return
        self._write_failed()
        self._write(_record(job, kind, verdict, self._judge) for kind, verdict in outcome)

    def end(self) -> None:
        """Write what is left.

        Raises:
            JudgeError: If no question at all got a reply.
        """
        if self._failed and not self._existing:
            raise _all_failed(self._failed)
        self._write_failed()

    def progress(self, done: int, total: int) -> JudgingProgress:
        """Return the state after this number of answers."""
        return JudgingProgress(
            done, total, self._no_verdict, self._deduplicated, dict(self._reasons)
        )

    def _write_failed(self) -> None:
        for job, reason in self._failed:
            verdict: Verdict[bool] = Verdict(None, False, "", reason=reason)
            self._write([_record(job, job.kind, verdict, self._judge)])
        self._failed.clear()

    def _write(self, records: Iterable[VerdictRecord]) -> None:
        for record in records:
            key: VerdictKey = (record.kind, record.key, record.phrase)
            if key not in self._existing:  # a kill may have come between two verdicts of an answer
                self._file.append(record.to_json())
                self._existing.add(key)
                self._count(record)

    def _count(self, verdict: VerdictRecord) -> None:
        self._deduplicated += verdict.deduplicated
        if not verdict.valid:
            self._no_verdict += 1
            self._reasons[verdict.reason or "not what was asked"] += 1


def _all_failed(failed: Sequence[tuple[Job, str]]) -> JudgeError:
    job, reason = failed[-1]
    return JudgeError(
        f"{reason} (sample {job.sample.id}, protocol {job.answer.protocol}) That makes "
        f"{counted(len(failed), 'question')} in a row without a reply. What was judged is "
        "safe; the same "
        "command goes on from there."
    )


def author_name(judge: Judge | JobJudge, conventions: JudgingConventions) -> str:
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


def _jobs(
    records: RunRecords, tasks: Sequence[Task], phrases: Mapping[Key, str], log: RunLog
) -> Iterator[Job]:
    for answer in records.answers.values():
        sample, record = records.run.samples.get(answer.sample), records.candidates.get(answer.key)
        if answer.error is not None:
            continue
        if sample is None:
            log.write(f"left out: the answer to {answer.sample!r}, which is no sample of the run")
            continue
        if Task.GRADE in tasks and answer.protocol == 1 and sample.has_answer:
            yield Grading(sample, answer)
        if Task.PICK in tasks and sample.expression is not None and record and record.candidates:
            masks = tuple(candidate.mask for candidate in record.candidates)
            picture = Picture.of(records.run, sample.id)
            yield Picking(sample, answer, sample.expression, masks, picture)
        if Task.CONCEPT in tasks and answer.key in phrases:
            yield Labelling(sample, answer, phrases[answer.key])


def _record(job: Job, kind: VerdictKind, verdict: AnyVerdict, judge: str) -> VerdictRecord:
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
        verdict.reason,
    )
