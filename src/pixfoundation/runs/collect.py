"""The stage that needs the models: from samples to answers and candidates on disk.

This is the main path of the package: load the images of a few samples, ask the prompt of every
protocol, ground each answer, write both. What is already on disk is never written again.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from pixfoundation.errors import DataError
from pixfoundation.failures import describe, is_device_lost, is_out_of_memory, release_memory
from pixfoundation.grounding.base import Grounder, asks_forward
from pixfoundation.images import load_image
from pixfoundation.masks import Mask
from pixfoundation.models.asking import ENDS_THE_RUN, LOST, ask
from pixfoundation.models.base import Decoding, KeepsLog, Model, RewordsPrompts
from pixfoundation.prompts import build_prompt
from pixfoundation.runs.jsonl import Appender
from pixfoundation.runs.log import RunLog, run_log
from pixfoundation.runs.records import AnswerRecord, CandidateRecord, Key
from pixfoundation.runs.run_records import by_prompt
from pixfoundation.runs.shards import ONE_BY_ONE, Batching
from pixfoundation.runs.store import RunDirectory
from pixfoundation.runs.streak import MAX_FAILURES_IN_A_ROW, Streak
from pixfoundation.segmenters.base import AnySegmenter, Segmenter, takes_points
from pixfoundation.types import Answer, Candidate, Prompt, Protocol, Sample
from pixfoundation.variants import VariedSample
from pixfoundation.variants.changes import ImageChange
from pixfoundation.variants.plan import protocols_of


@dataclass(frozen=True, slots=True)
class Ask:
    """What is asked about one image.

    Attributes:
        sample: The sample, or a variant of it, with the id of its records.
        prompts: The prompts, one per protocol.
        change: The change of the image file that makes the image; None for the file as it is.
    """

    sample: Sample
    prompts: list[Prompt]
    change: ImageChange | None = None


GROUNDED_PROTOCOLS: tuple[Protocol, ...] = (1, 3)
"""An answer to protocol 2 is a letter, from which nothing can be grounded."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is.

    Attributes:
        done: Number of answers on disk.
        total: Number of answers when the run is complete.
        failed: Number of recorded failures among those on disk.
    """

    done: int
    total: int
    failed: int


def collect(
    run: RunDirectory,
    model: Model,
    grounder: Grounder | None,
    segmenter: AnySegmenter | None,
    *,
    decoding: Decoding | None = None,
    batching: Batching = ONE_BY_ONE,
    retry_failed: bool = False,
    max_failures_in_a_row: int = MAX_FAILURES_IN_A_ROW,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> Progress:
    """Answer and ground everything that a run directory still lacks.

    A sample that fails (an unreadable image, a question at which the model, the grounder or the
    segmenter raises any exception) is recorded with its reason, and the run continues. Batches
    always hold the same samples, so a resumed run computes what an uninterrupted one would.

    Args:
        run: The run directory that holds the samples and receives the results.
        model: The model that answers.
        grounder: Turns answers into candidates; None to collect answers only.
        segmenter: Draws the masks at random points, by which the chance level is measured; None to
            measure no chance level.
        decoding: How answers are decoded; greedy by default.
        batching: How samples are cut into batches, and which shard of them is computed.
        retry_failed: Whether recorded failures are tried again; they are in any case as long as
            no question has an answer.
        max_failures_in_a_row: Number of samples in a row at which the model fails, or the
            grounding, after which the run stops; 0 never to stop. Images that cannot be read do
            not count.
        on_progress: Called after every answer.

    Returns:
        The final state of the work of this process.

    Raises:
        RunError: If another process writes to the directory, it cannot be written, its
            configuration was replaced, too many samples in a row failed, or the device was lost.
    """
    batches = [
        [ask for group in groups for ask in group] for groups in batching.cut(asks(run, model))
    ]
    infix = batching.file_infix
    decoding = replace(
        decoding or Decoding(),
        attention=grounder is not None and "attention" in grounder.uses,
        forward=asks_forward(grounder),
    )
    with (
        run.locked(infix),
        run_log(run, "collect", infix) as log,
        run.appender("answers", infix) as answers,
        run.appender("candidates", infix) as candidates,
    ):
        run.check_unchanged()
        if isinstance(model, KeepsLog):
            model.log_in(run.path)
        streak = Streak(max_failures_in_a_row)
        writer = _Writer(
            run,
            answers,
            candidates,
            batches,
            retry_failed=retry_failed,
            on_write=on_progress,
            log=log,
        )
        for batch in batches:
            loaded = _load_images(batch, writer) if writer.lacks_any(batch) else []
            images = [image for image, own in loaded for _ in own.prompts]
            flat = [(own.sample, prompt) for _, own in loaded for prompt in own.prompts]
            replies = ask(model, images, [p for _, p in flat], decoding)
            for image, (sample, prompt), answer in zip(images, flat, replies, strict=True):
                if not writer.lacks(sample.id, prompt.protocol):
                    continue
                if answer.error is not None:
                    records = _failure(prompt, answer.error)
                else:
                    seed = run.config.seed
                    candidates = _ground(image, prompt, answer, grounder, segmenter, seed)
                    records = _storable(_answer_record(prompt, answer), candidates, prompt)
                writer.write(*records)
                streak.note(*records)
            streak.check()
        final = writer.progress
        log.end(final.done, final.total, final.failed)
        return final


class _Writer:
    """Appends the missing records, candidates before answers, and counts."""

    def __init__(
        self,
        run: RunDirectory,
        answers: Appender,
        candidates: Appender,
        batches: Sequence[Sequence[Ask]],
        *,
        retry_failed: bool,
        on_write: Callable[[Progress], None],
        log: RunLog,
    ) -> None:
        self._answers, self._candidates = answers, candidates
        self._on_write, self._log = on_write, log
        existing = {"answers": run.answers(), "candidates": run.candidates()}
        failed = {
            key for records in existing.values() for key, record in records.items() if record.error
        }
        has_answers = any(record.error is None for record in existing["answers"].values())
        passed_over: set[Key] = failed if retry_failed or not has_answers else set()
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

    @property
    def progress(self) -> Progress:
        return Progress(len(self._answered), self._total, len(self._failed))

    def lacks(self, sample: str, protocol: Protocol) -> bool:
        key = (sample, protocol)
        grounded = protocol not in GROUNDED_PROTOCOLS or key in self._grounded
        return key not in self._answered or not grounded

    def lacks_any(self, batch: Sequence[Ask]) -> bool:
        return any(
            self.lacks(prompt.sample, prompt.protocol) for own in batch for prompt in own.prompts
        )

    def write(self, answer: AnswerRecord, candidates: CandidateRecord | None) -> None:
        if candidates is not None and candidates.key not in self._grounded:
            self._candidates.append(candidates.to_json())
            self._grounded.add(candidates.key)
            self._note_failure(candidates)
        if answer.key not in self._answered:
            self._answers.append(answer.to_json())
            self._answered.add(answer.key)
            self._note_failure(answer)
        progress = self.progress
        self._log.progress(progress.done, progress.total, progress.failed)
        self._on_write(progress)

    def _note_failure(self, record: AnswerRecord | CandidateRecord) -> None:
        if record.error is not None and record.key not in self._failed:
            self._failed.add(record.key)
            self._log.failure(record.sample, record.protocol, record.error)


def asks(run: RunDirectory, model: Model) -> list[list[Ask]]:
    """Return what is asked, sample by sample, the variants of a sample together with it.

    Args:
        run: The run directory that holds the samples.
        model: The model that answers.
    """
    variants: dict[str, list[VariedSample]] = {}
    for id, varied in run.varied.items():
        variants.setdefault(id.removesuffix(f"@{varied.variant}"), []).append(varied)
    groups: list[list[Ask]] = []
    for sample in run.samples.values():
        group = [Ask(sample, _prompts(sample, run.config.protocols, model))]
        for varied in variants.get(sample.id, ()):
            group.append(Ask(varied.sample, _varied_prompts(varied, run, model), varied.change))
        if isinstance(model, RewordsPrompts):
            group = [replace(own, prompts=[model.reword(p) for p in own.prompts]) for own in group]
        if group := [own for own in group if own.prompts]:
            groups.append(group)
    return groups


def _prompts(sample: Sample, protocols: Iterable[Protocol], model: Model) -> list[Prompt]:
    built = (build_prompt(sample, protocol, model.templates) for protocol in protocols)
    return [prompt for prompt in built if prompt is not None]


def _varied_prompts(varied: VariedSample, run: RunDirectory, model: Model) -> list[Prompt]:
    """Return the prompts of the protocols that a variant changes."""
    changed = protocols_of(varied.variant.kind)
    built = (
        varied.templates.build(varied.sample, protocol, model.templates)
        for protocol in run.config.protocols
        if protocol in changed
    )
    return [prompt for prompt in built if prompt is not None]


def _load_images(batch: Sequence[Ask], writer: _Writer) -> list[tuple[Image.Image, Ask]]:
    """Load the images of a batch; record a failure for each that cannot be used.

    A sample and the variants that leave its image as it is get the same object, so that a model can
    read it once.
    """
    loaded: list[tuple[Image.Image, Ask]] = []
    files: dict[Path, Image.Image] = {}
    for own in batch:
        path = own.sample.image
        try:
            if path not in files:
                files[path] = load_image(path)
            image = files[path] if own.change is None else own.change.apply(files[path])
            if (image.height, image.width) != own.sample.size:
                raise DataError(
                    f"{path} is {image.height} x {image.width} pixels, its annotation "
                    f"{own.sample.size[0]} x {own.sample.size[1]} (height x width)."
                )
        except DataError as error:
            for prompt in own.prompts:
                if writer.lacks(own.sample.id, prompt.protocol):
                    writer.write(*_failure(prompt, str(error)))
        else:
            loaded.append((image, own))
    return loaded


def _failure(prompt: Prompt, reason: str) -> tuple[AnswerRecord, CandidateRecord | None]:
    answer = AnswerRecord(prompt.sample, prompt.protocol, prompt.text, error=reason)
    if prompt.protocol not in GROUNDED_PROTOCOLS:
        return answer, None
    return answer, CandidateRecord(prompt.sample, prompt.protocol, error=reason)


def _storable(
    answer: AnswerRecord, candidates: CandidateRecord | None, prompt: Prompt
) -> tuple[AnswerRecord, CandidateRecord | None]:
    """Return the records; a recorded failure if they hold what no JSON file can."""
    for record in (answer, candidates):
        try:
            json.dumps(None if record is None else record.to_json(), ensure_ascii=False).encode()
        except (TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
            return _failure(prompt, f"The answer cannot be stored: {describe(error)}")
    return answer, candidates


def _answer_record(prompt: Prompt, answer: Answer) -> AnswerRecord:
    return AnswerRecord(
        prompt.sample,
        prompt.protocol,
        prompt.text,
        answer.text,
        answer.token_ids,
        answer.spans,
        None if answer.masks is None else len(answer.masks),
        thoughts=answer.thoughts,
        ended=answer.ended,
        doubtful=answer.doubtful,
        left_out=answer.left_out,
    )


def _ground(
    image: Image.Image,
    prompt: Prompt,
    answer: Answer,
    grounder: Grounder | None,
    segmenter: AnySegmenter | None,
    seed: int,
    *,
    again: bool = True,
) -> CandidateRecord | None:
    sample, protocol = prompt.sample, prompt.protocol
    if protocol not in GROUNDED_PROTOCOLS:
        return None
    if grounder is None:
        return CandidateRecord(sample, protocol)
    try:
        candidates = grounder.ground(image, answer)
        rng = np.random.default_rng([seed, zlib.crc32(sample.encode()), protocol])
        points = max(len(by_prompt(candidates)), 1)
        chance = (
            []
            if segmenter is None or not takes_points(segmenter)
            else random_candidates(image, segmenter, points, rng)
        )
    except ENDS_THE_RUN:
        raise
    except Exception as error:
        reason = describe(error)
        if is_device_lost(error):
            reason = f"{LOST} {reason}"
        release_memory(error)
        if is_out_of_memory(error) and again:
            return _ground(image, prompt, answer, grounder, segmenter, seed, again=False)
        return CandidateRecord(sample, protocol, error=reason)
    return CandidateRecord(sample, protocol, tuple(candidates), tuple(chance))


def random_candidates(
    image: Image.Image, segmenter: Segmenter, points: int, rng: np.random.Generator
) -> list[Candidate]:
    """Segment at uniformly random points of the image: what chance finds.

    Args:
        image: An RGB image.
        segmenter: The segmenter that also draws the masks of the answers.
        points: Number of points.
        rng: Generator of the points.

    Returns:
        The masks of all points, those of one point together.
    """
    positions = [
        (float(x), float(y))
        for x, y in zip(
            rng.uniform(0, image.width, points), rng.uniform(0, image.height, points), strict=True
        )
    ]
    output = segmenter.segment(image, points=positions)
    return [
        Candidate(
            mask=Mask.from_array(mask),
            point=point,
            score=float(score),
            index=index,
            source="random",
        )
        for point, masks, scores in zip(positions, output.masks, output.scores, strict=True)
        for index, (mask, score) in enumerate(zip(masks, scores, strict=True))
    ]
