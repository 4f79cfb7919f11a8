"""The stage that needs the models: from samples to answers and candidates on disk.

The main path of the package: load the images of a few samples, ask every protocol's prompt, ground
each answer, write both. What is on disk already is never written again.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import TypeVar

import numpy as np
from PIL import Image

from pixfoundation.errors import DataError, PixFoundationError
from pixfoundation.grounding.base import Grounder
from pixfoundation.images import load_image
from pixfoundation.masks import Mask
from pixfoundation.models.base import Decoding, KeepsLog, Model
from pixfoundation.prompts import build_prompt
from pixfoundation.runs.jsonl import Appender
from pixfoundation.runs.records import AnswerRecord, CandidateRecord, Key
from pixfoundation.runs.run_records import by_prompt
from pixfoundation.runs.shards import Shard
from pixfoundation.runs.store import RunDirectory
from pixfoundation.segmenters.base import AnySegmenter, Segmenter, takes_points
from pixfoundation.types import Answer, Candidate, Prompt, Protocol, Sample

T = TypeVar("T")
Ask = tuple[Sample, list[Prompt]]

GROUNDED_PROTOCOLS: tuple[Protocol, ...] = (1, 3)
"""Protocol 2 answers with a letter, which nothing can be grounded from."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is.

    Attributes:
        done: Answers on disk.
        total: Answers that there will be.
        failed: How many of those on disk are recorded failures.
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
    batch_size: int = 1,
    part: Shard | None = None,
    retry_failed: bool = False,
    report: Callable[[Progress], None] = lambda progress: None,
) -> Progress:
    """Answers and grounds everything that a run directory still lacks.

    A sample that fails (an unreadable image, a question that the model does not answer) is recorded
    with its reason and the run goes on.
    Batches always hold the same samples, so a resumed run computes what an uninterrupted one would.

    Args:
        run: Where samples come from and results go to.
        model: Who answers.
        grounder: Turns answers into candidates; None to collect answers only.
        segmenter: Draws the masks at random points that chance is measured with; None for none.
        decoding: How answers are decoded; greedy by default.
        batch_size: Samples a batch; all protocols of a sample are asked together.
        part: The share that is this process's; None for all of it.
        retry_failed: Whether recorded failures are tried again.
        report: Called after every answer.

    Returns:
        The final state of what was to be done.

    Raises:
        RunError: If the directory is held by another process or cannot be written.
    """
    if batch_size < 1:
        raise DataError(f"The batch size must be at least 1, but got {batch_size}.")
    asks: list[Ask] = [
        (sample, prompts)
        for sample in run.samples.values()
        if (prompts := _prompts(sample, run.config.protocols, model))
    ]
    batches = list(_chunks(asks, batch_size))
    if part is not None:
        batches = [batch for number, batch in enumerate(batches) if part.holds(number)]
    shard = None if part is None else part.shard
    decoding = replace(
        decoding or Decoding(), attention=grounder is not None and "attention" in grounder.uses
    )
    with (
        run.locked(shard),
        run.appender("answers", shard) as answers,
        run.appender("candidates", shard) as candidates,
    ):
        if isinstance(model, KeepsLog):
            model.log_in(run.path)
        writer = _Writer(run, answers, candidates, batches, retry_failed, report)
        for batch in batches:
            ready = _load_images(batch, writer) if writer.lacks_any(batch) else []
            images = [image for image, _, prompts in ready for _ in prompts]
            flat = [(sample, prompt) for _, sample, prompts in ready for prompt in prompts]
            replies = model.answer(images, [p for _, p in flat], decoding) if flat else []
            for image, (sample, prompt), answer in zip(images, flat, replies, strict=True):
                if not writer.lacks(sample.id, prompt.protocol):
                    continue
                if answer.error is not None:
                    writer.write(*_failure(prompt, answer.error))
                else:
                    found = _ground(
                        image, sample, prompt, answer, grounder, segmenter, run.config.seed
                    )
                    writer.write(_answer_record(prompt, answer), found)
        return writer.progress


class _Writer:
    """Appends what is missing, candidates before answers, and counts."""

    def __init__(
        self,
        run: RunDirectory,
        answers: Appender,
        candidates: Appender,
        batches: Sequence[Sequence[Ask]],
        retry_failed: bool,
        report: Callable[[Progress], None],
    ) -> None:
        self._answers, self._candidates = answers, candidates
        self._report = report
        held_answers, held_candidates = run.answers(), run.candidates()
        failed = {key for key, record in held_answers.items() if record.error} | {
            key for key, record in held_candidates.items() if record.error
        }
        if retry_failed:
            held_answers = {key: r for key, r in held_answers.items() if key not in failed}
            held_candidates = {key: r for key, r in held_candidates.items() if key not in failed}
            failed = set()
        wanted: set[Key] = {
            (prompt.sample, prompt.protocol)
            for batch in batches
            for _, prompts in batch
            for prompt in prompts
        }
        self._answered: set[Key] = wanted & set(held_answers)
        self._grounded: set[Key] = wanted & set(held_candidates)
        self._failed: set[Key] = wanted & failed
        self._total = len(wanted)

    @property
    def progress(self) -> Progress:
        return Progress(len(self._answered), self._total, len(self._failed))

    def lacks(self, sample: str, protocol: Protocol) -> bool:
        key = (sample, protocol)
        grounded = protocol not in GROUNDED_PROTOCOLS or key in self._grounded
        return key not in self._answered or not grounded

    def lacks_any(self, batch: Sequence[Ask]) -> bool:
        return any(
            self.lacks(prompt.sample, prompt.protocol) for _, prompts in batch for prompt in prompts
        )

    def write(self, answer: AnswerRecord, found: CandidateRecord | None) -> None:
        if found is not None and found.key not in self._grounded:
            self._candidates.append(found.to_json())
            self._grounded.add(found.key)
            if found.error:
                self._failed.add(found.key)
        if answer.key not in self._answered:
            self._answers.append(answer.to_json())
            self._answered.add(answer.key)
            if answer.error:
                self._failed.add(answer.key)
        self._report(self.progress)


def _prompts(sample: Sample, protocols: Iterable[Protocol], model: Model) -> list[Prompt]:
    built = (build_prompt(sample, protocol, model.templates) for protocol in protocols)
    return [prompt for prompt in built if prompt is not None]


def _load_images(
    batch: Sequence[Ask], writer: _Writer
) -> list[tuple[Image.Image, Sample, list[Prompt]]]:
    """Load the images of a batch; records a failure for each that cannot be used."""
    ready = []
    for sample, prompts in batch:
        try:
            image = load_image(sample.image)
            if (image.height, image.width) != sample.size:
                raise DataError(
                    f"{sample.image} is {image.height} x {image.width} pixels, its annotation "
                    f"{sample.size[0]} x {sample.size[1]} (height x width)."
                )
        except DataError as error:
            for prompt in prompts:
                if writer.lacks(sample.id, prompt.protocol):
                    writer.write(*_failure(prompt, str(error)))
        else:
            ready.append((image, sample, prompts))
    return ready


def _failure(prompt: Prompt, reason: str) -> tuple[AnswerRecord, CandidateRecord | None]:
    answer = AnswerRecord(prompt.sample, prompt.protocol, prompt.text, error=reason)
    grounded = prompt.protocol in GROUNDED_PROTOCOLS
    found = CandidateRecord(prompt.sample, prompt.protocol, error=reason) if grounded else None
    return answer, found


def _answer_record(prompt: Prompt, answer: Answer) -> AnswerRecord:
    return AnswerRecord(
        prompt.sample,
        prompt.protocol,
        prompt.text,
        answer.text,
        answer.token_ids,
        answer.spans,
        None if answer.masks is None else len(answer.masks),
    )


def _ground(
    image: Image.Image,
    sample: Sample,
    prompt: Prompt,
    answer: Answer,
    grounder: Grounder | None,
    segmenter: AnySegmenter | None,
    seed: int,
) -> CandidateRecord | None:
    if prompt.protocol not in GROUNDED_PROTOCOLS:
        return None
    if grounder is None:
        return CandidateRecord(sample.id, prompt.protocol)
    try:
        found = grounder.ground(image, answer)
        rng = np.random.default_rng([seed, zlib.crc32(sample.id.encode()), prompt.protocol])
        prompts = len(by_prompt(found))
        chance = (
            []
            if segmenter is None or not takes_points(segmenter)
            else random_candidates(image, segmenter, max(prompts, 1), rng)
        )
    except PixFoundationError as error:
        return CandidateRecord(sample.id, prompt.protocol, error=str(error))
    return CandidateRecord(sample.id, prompt.protocol, tuple(found), tuple(chance))


def random_candidates(
    image: Image.Image, segmenter: Segmenter, points: int, rng: np.random.Generator
) -> list[Candidate]:
    """Segments at uniformly random points of the image: what chance finds.

    Args:
        image: An RGB image.
        segmenter: The segmenter that also serves the answers.
        points: How many points.
        rng: Where they come from.

    Returns:
        All masks of all points, those of one point together.
    """
    where = [
        (float(x), float(y))
        for x, y in zip(
            rng.uniform(0, image.width, points), rng.uniform(0, image.height, points), strict=True
        )
    ]
    output = segmenter.segment(image, points=where)
    return [
        Candidate(
            mask=Mask.from_array(mask),
            point=point,
            score=float(score),
            index=index,
            source="random",
        )
        for point, masks, scores in zip(where, output.masks, output.scores, strict=True)
        for index, (mask, score) in enumerate(zip(masks, scores, strict=True))
    ]


def _chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk
