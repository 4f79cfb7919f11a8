"""The stage that needs the models: from samples to answers and candidates on disk.

This is the main path of the package: load the images of a few samples, ask the prompt of every
protocol, ground each answer, write both. What is already on disk is never written again. Workers
compute (`runs.answering`); this module deals the work and is the only writer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pixfoundation.engines import Crew, Unit
from pixfoundation.engines.local import Alone
from pixfoundation.grounding.base import Grounder, asks_forward
from pixfoundation.models.base import Decoding, GivenAnswer, KeepsLog, Model
from pixfoundation.prompts import PromptTemplates, build_prompt
from pixfoundation.runs.answering import (
    GROUNDED_PROTOCOLS,
    AnsweringWorker,
    Ask,
    Batch,
    Pair,
    failure,
    random_candidates,
    read_files,
)
from pixfoundation.runs.jsonl import Appender
from pixfoundation.runs.log import RunLog, run_log
from pixfoundation.runs.progress_file import ProgressFile
from pixfoundation.runs.records import AnswerRecord, CandidateRecord, Key
from pixfoundation.runs.shards import ONE_BY_ONE, Batching
from pixfoundation.runs.store import RunDirectory
from pixfoundation.runs.streak import MAX_FAILURES_IN_A_ROW, Streak
from pixfoundation.segmenters.base import AnySegmenter
from pixfoundation.types import Prompt, Protocol, Sample
from pixfoundation.variants import VariedSample
from pixfoundation.variants.plan import protocols_of

__all__ = ["GROUNDED_PROTOCOLS", "Ask", "Progress", "asks", "collect", "deal", "random_candidates"]

Reword = Callable[[Prompt], Prompt]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is.

    Attributes:
        done: Number of answers on disk.
        total: Number of answers when the run is complete.
        failed: Number of recorded failures among those on disk.
        workers: Number of workers that are ready; None where this process does the work.
        lost: Number of workers that died or were stopped.
    """

    done: int
    total: int
    failed: int
    workers: int | None = None
    lost: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Dealing:
    """How the work of a run is dealt, and when it stops.

    Attributes:
        batching: How samples are cut into batches, and which shard of them is computed.
        retry_failed: Whether recorded failures are tried again; they are in any case as long as
            no question has an answer.
        max_failures_in_a_row: Number of samples in a row at which the model fails, or the
            grounding, after which the run stops; 0 never to stop. Images that cannot be read do
            not count.
        on_progress: Called after every answer.
        ships_files: Whether the workers get the content of image files, since they may be on
            another machine.
        further: Returns what the model looks at besides the image of a sample, to be sent as well.
        give: Returns the answers that are to be read instead of generated; None to generate.
    """

    batching: Batching = ONE_BY_ONE
    retry_failed: bool = False
    max_failures_in_a_row: int = MAX_FAILURES_IN_A_ROW
    on_progress: Callable[[Progress], None] = lambda progress: None
    ships_files: bool = False
    further: Callable[[Sample], Sequence[Path]] = lambda sample: ()
    give: Callable[[Sequence[Ask], frozenset[Key]], Mapping[Key, GivenAnswer]] | None = None


def collect(
    run: RunDirectory,
    model: Model,
    grounder: Grounder | None,
    segmenter: AnySegmenter | None,
    dealing: Dealing | None = None,
    *,
    decoding: Decoding | None = None,
) -> Progress:
    """Answer and ground everything that a run directory still lacks, in this process.

    A sample that fails (an unreadable image, a question at which the model, the grounder or the
    segmenter raises any exception) is recorded with its reason, and the run continues. Batches
    always hold the same samples, so a resumed run computes what an uninterrupted one would.

    Args:
        run: The run directory that holds the samples and receives the results.
        model: The model that answers.
        grounder: Turns answers into candidates; None to collect answers only.
        segmenter: Draws the masks at random points, by which the chance level is measured; None to
            measure no chance level.
        dealing: How the work is dealt, and when it stops; sample by sample by default.
        decoding: How answers are decoded; greedy by default.

    Returns:
        The final state of the work of this process.

    Raises:
        RunError: If another process writes to the directory, it cannot be written, its
            configuration was replaced, too many samples in a row failed, or the device was lost.
    """
    decoding = replace(
        decoding or Decoding(),
        attention=grounder is not None and "attention" in grounder.uses,
        forward=asks_forward(grounder),
    )
    crew = Alone(AnsweringWorker(model, grounder, segmenter, decoding, run.config.seed))
    asked = asks(run, model.templates)

    def begin() -> None:
        if isinstance(model, KeepsLog):
            model.log_in(run.path)

    return deal(run, crew, asked, dealing or Dealing(), begin)


def deal(
    run: RunDirectory,
    crew: Crew,
    asked: Sequence[Sequence[Ask]],
    dealing: Dealing,
    begin: Callable[[], None] = lambda: None,
) -> Progress:
    """Have a crew answer and ground everything that a run directory still lacks.

    Args:
        run: The run directory that holds the samples and receives the results.
        crew: Who does the work.
        asked: What is asked, sample by sample; see `asks`.
        dealing: How the work is dealt.
        begin: Called once the run is locked.

    Returns:
        The final state of the work of this process.

    Raises:
        RunError: As for `collect`, or if the crew has no workers.
    """
    batches = [[ask for group in groups for ask in group] for groups in dealing.batching.cut(asked)]
    infix = dealing.batching.file_infix
    with (
        run.locked(infix),
        run_log(run, "collect", infix) as log,
        run.appender("answers", infix) as answers,
        run.appender("candidates", infix) as candidates,
    ):
        run.check_unchanged()
        begin()
        streak = Streak(dealing.max_failures_in_a_row)
        writer = _Writer(run, (answers, candidates), batches, dealing, crew, log)
        units: list[Unit] = []
        of_unit: dict[int, list[Ask]] = {}
        for batch in batches:
            if writer.lacks_any(batch):
                unit = _unit(batch, writer, dealing)
                units.append(unit)
                of_unit[id(unit)] = batch
        for outcome in crew.deal(units):
            if outcome.failure is not None:
                prompts = [prompt for own in of_unit[id(outcome.unit)] for prompt in own.prompts]
                for prompt in prompts:
                    if writer.lacks(prompt.sample, prompt.protocol):
                        writer.write([failure(prompt, outcome.failure)])
                continue
            if dealing.ships_files:
                pairs = list(outcome.results)
                writer.write(pairs)
            else:
                pairs = _written_one_by_one(outcome.results, writer)
            for pair in pairs:
                if pair.of_model:
                    streak.note(pair.answer, pair.candidates)
            streak.check()
        final = writer.progress
        log.end(final.done, final.total, final.failed)
        writer.end()
        return final


def _written_one_by_one(pairs: Iterable[Pair], writer: _Writer) -> Iterator[Pair]:
    for pair in pairs:
        writer.write([pair])
        yield pair


def _unit(batch: Sequence[Ask], writer: _Writer, dealing: Dealing) -> Unit:
    """Return a batch as a unit of work."""
    needed: frozenset[Key] = frozenset(
        (prompt.sample, prompt.protocol)
        for own in batch
        for prompt in own.prompts
        if writer.lacks(prompt.sample, prompt.protocol)
    )

    def load() -> Batch:
        written = None if dealing.give is None else dealing.give(batch, needed)
        files = read_files(batch, dealing.further) if dealing.ships_files else None
        return Batch(batch, needed, files, written)

    first, last = batch[0].sample.id, batch[-1].sample.id
    name = f"sample {first}" if first == last else f"samples {first} to {last}"
    return Unit(name, load, sum(_cost(prompt) for own in batch for prompt in own.prompts))


def _cost(prompt: Prompt) -> float:
    """Return about how long a question takes, in tokens: a letter is short, a sentence is not."""
    return (4.0 if prompt.protocol not in GROUNDED_PROTOCOLS else 100.0) + len(prompt.text) / 4


class _Writer:
    """Appends the missing records, candidates before answers, and counts."""

    def __init__(
        self,
        run: RunDirectory,
        files: tuple[Appender, Appender],
        batches: Sequence[Sequence[Ask]],
        dealing: Dealing,
        crew: Crew,
        log: RunLog,
    ) -> None:
        self._answers, self._candidates = files
        self._on_write, self._log, self._crew = dealing.on_progress, log, crew
        existing = {"answers": run.answers(), "candidates": run.candidates()}
        failed = {
            key for records in existing.values() for key, record in records.items() if record.error
        }
        has_answers = any(record.error is None for record in existing["answers"].values())
        passed_over: set[Key] = failed if dealing.retry_failed or not has_answers else set()
        keys: set[Key] = {
            (prompt.sample, prompt.protocol)
            for batch in batches
            for own in batch
            for prompt in own.prompts
        }
        self._answered: set[Key] = (keys & existing["answers"].keys()) - passed_over
        self._grounded: set[Key] = (keys & existing["candidates"].keys()) - passed_over
        self._failed: set[Key] = (keys & failed) - passed_over
        self._total = len(keys)
        self._file = ProgressFile(run.path, dealing.batching.file_infix, len(self._answered))

    @property
    def progress(self) -> Progress:
        state = self._crew.state()
        return Progress(
            len(self._answered), self._total, len(self._failed), state.workers, state.lost
        )

    def lacks(self, sample: str, protocol: Protocol) -> bool:
        key = (sample, protocol)
        grounded = protocol not in GROUNDED_PROTOCOLS or key in self._grounded
        return key not in self._answered or not grounded

    def lacks_any(self, batch: Sequence[Ask]) -> bool:
        return any(
            self.lacks(prompt.sample, prompt.protocol) for own in batch for prompt in own.prompts
        )

    def write(self, pairs: Sequence[Pair]) -> None:
        """Write the records of some questions, flushed to disk together."""
        candidates = [c for _, c, _ in pairs if c is not None and c.key not in self._grounded]
        self._candidates.append(*(record.to_json() for record in candidates))
        for record in candidates:
            self._grounded.add(record.key)
            self._note_failure(record)
        answers = [answer for answer, _, _ in pairs if answer.key not in self._answered]
        self._answers.append(*(record.to_json() for record in answers))
        for record in answers:
            self._answered.add(record.key)
            self._note_failure(record)
        progress = self.progress
        self._log.progress(progress.done, progress.total, progress.failed)
        self._file.note(progress)
        self._on_write(progress)

    def end(self) -> None:
        """Say in the file of progress that this process has ended its work."""
        self._file.end(self.progress)

    def _note_failure(self, record: AnswerRecord | CandidateRecord) -> None:
        if record.error is not None and record.key not in self._failed:
            self._failed.add(record.key)
            self._log.failure(record.sample, record.protocol, record.error)


def asks(
    run: RunDirectory, templates: PromptTemplates, reword: Reword | None = None
) -> list[list[Ask]]:
    """Return what is asked, sample by sample, the variants of a sample together with it.

    Args:
        run: The run directory that holds the samples.
        templates: How the model is asked.
        reword: Returns the prompt that is asked in place of another; None to ask as built.
    """
    variants: dict[str, list[VariedSample]] = {}
    for id, varied in run.varied.items():
        variants.setdefault(id.removesuffix(f"@{varied.variant}"), []).append(varied)
    groups: list[list[Ask]] = []
    for sample in run.samples.values():
        group = [Ask(sample, _prompts(sample, run.config.protocols, templates))]
        for varied in variants.get(sample.id, ()):
            group.append(Ask(varied.sample, _varied_prompts(varied, run, templates), varied.change))
        if reword is not None:
            group = [replace(own, prompts=[reword(p) for p in own.prompts]) for own in group]
        if group := [own for own in group if own.prompts]:
            groups.append(group)
    return groups


def _prompts(
    sample: Sample, protocols: Iterable[Protocol], templates: PromptTemplates
) -> list[Prompt]:
    built = (build_prompt(sample, protocol, templates) for protocol in protocols)
    return [prompt for prompt in built if prompt is not None]


def _varied_prompts(
    varied: VariedSample, run: RunDirectory, templates: PromptTemplates
) -> list[Prompt]:
    """Return the prompts of the protocols that a variant changes."""
    changed = protocols_of(varied.variant.kind)
    built = (
        varied.templates.build(varied.sample, protocol, templates)
        for protocol in run.config.protocols
        if protocol in changed
    )
    return [prompt for prompt in built if prompt is not None]
