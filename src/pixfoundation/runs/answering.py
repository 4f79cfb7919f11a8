"""What a worker does: answer and ground the questions about a few images.

Nothing here reads or writes a run directory. The same code works in this process and in workers on
other machines, which get the content of image files instead of paths.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from pixfoundation.engines import WorkerLostError
from pixfoundation.errors import DataError
from pixfoundation.failures import describe, is_device_lost, is_out_of_memory, release_memory
from pixfoundation.grounding.base import Grounder
from pixfoundation.images import load_image
from pixfoundation.masks import Mask
from pixfoundation.models.asking import ENDS_THE_RUN, LOST, ask
from pixfoundation.models.base import Decoding, GivenAnswer, Model, TakesFiles
from pixfoundation.runs.answer_sources import AnswerSource, CarriedAnswers
from pixfoundation.runs.looking import Looking
from pixfoundation.runs.records import AnswerRecord, CandidateRecord, Key
from pixfoundation.runs.run_records import by_prompt
from pixfoundation.segmenters.base import AnySegmenter, Segmenter, takes_points
from pixfoundation.types import Answer, Candidate, Prompt, Protocol, Sample
from pixfoundation.variants.changes import ImageChange

GROUNDED_PROTOCOLS: tuple[Protocol, ...] = (1, 3)
"""An answer to protocol 2 is a letter, from which nothing can be grounded."""

_NO_IMAGE = Image.new("RGB", (1, 1))
"""Stands for an image that nobody looks at."""


class Pair(NamedTuple):
    """The records of one question.

    Attributes:
        answer: The answer.
        candidates: What was grounded; None for a protocol from which nothing can be.
        of_model: Whether the model was asked: it was not where the image cannot be read.
    """

    answer: AnswerRecord
    candidates: CandidateRecord | None
    of_model: bool = True


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


@dataclass(frozen=True, slots=True)
class Batch:
    """Questions that are asked together.

    Attributes:
        asks: What is asked, image by image.
        needed: The questions whose records are missing.
        files: Content of the image files by path, or why a file cannot be read; None to read them
            here.
        written: Answers to be read instead of generated; None to generate.
    """

    asks: Sequence[Ask]
    needed: frozenset[Key]
    files: Mapping[Path, bytes | str] | None = None
    written: Mapping[Key, GivenAnswer] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class AnsweringWorker:
    """A model with what grounds its answers.

    Attributes:
        model: The model that answers.
        grounder: Turns answers into candidates; None to collect answers only.
        segmenter: Draws the masks at random points; None to measure no chance level.
        decoding: How answers are decoded.
        seed: Seed of the random points.
        description: What identifies the parts; see `describe`.
        replaceable: Whether another process takes over where the device is lost.
    """

    model: Model
    grounder: Grounder | None
    segmenter: AnySegmenter | None
    decoding: Decoding
    seed: int
    description: Any = None
    replaceable: bool = False

    def describe(self) -> Any:
        """Return what identifies the parts."""
        return self.description

    def work(self, payload: Batch) -> Iterator[Pair]:
        """Yield the missing records of a batch.

        Raises:
            PixFoundationError: If no question can be answered, see `models.asking`.
        """
        loaded: list[tuple[Image.Image, Ask]] = []
        files: dict[Path, Image.Image] = {}
        for own in payload.asks:
            try:
                image = image_of(own, payload, files)
            except DataError as error:
                for prompt in own.prompts:
                    if (own.sample.id, prompt.protocol) in payload.needed:
                        yield failure(prompt, str(error))._replace(of_model=False)
            else:
                loaded.append((image, own))
        model = self.model
        if payload.files is not None and isinstance(model, TakesFiles):
            model.take_files(payload.files)
        if payload.written is not None:
            model = Looking(model, CarriedAnswers(payload.written))
            loaded = [(image, _only(own, payload.written)) for image, own in loaded]
        images = [image for image, own in loaded for _ in own.prompts]
        flat = [(own.sample, prompt) for _, own in loaded for prompt in own.prompts]
        replies = ask(model, images, [p for _, p in flat], self.decoding)
        for answer in replies:
            self._stop_if_lost(answer.error)
        for image, (sample, prompt), answer in zip(images, flat, replies, strict=True):
            if (sample.id, prompt.protocol) not in payload.needed:
                continue
            if answer.error is not None:
                yield failure(prompt, answer.error)
            else:
                candidates = self._ground(image, prompt, answer)
                yield _storable(_answer_record(prompt, answer), candidates, prompt)

    def _stop_if_lost(self, reason: str | None) -> None:
        """Raise WorkerLostError if the device is lost, where another process takes over."""
        if self.replaceable and reason is not None and reason.startswith(LOST):
            raise WorkerLostError(reason)

    def _ground(
        self, image: Image.Image, prompt: Prompt, answer: Answer, *, again: bool = True
    ) -> CandidateRecord | None:
        sample, protocol = prompt.sample, prompt.protocol
        if protocol not in GROUNDED_PROTOCOLS:
            return None
        if self.grounder is None:
            return CandidateRecord(sample, protocol)
        segmenter = self.segmenter
        try:
            candidates = self.grounder.ground(image, answer)
            rng = np.random.default_rng([self.seed, zlib.crc32(sample.encode()), protocol])
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
                self._stop_if_lost(reason)
            release_memory(error)
            if is_out_of_memory(error) and again:
                return self._ground(image, prompt, answer, again=False)
            return CandidateRecord(sample, protocol, error=reason)
        return CandidateRecord(sample, protocol, tuple(candidates), tuple(chance))


def _only(own: Ask, written: Mapping[Key, GivenAnswer]) -> Ask:
    """Return the questions that have an answer."""
    return replace(own, prompts=[p for p in own.prompts if (p.sample, p.protocol) in written])


def read_files(
    asks: Sequence[Ask], further: Callable[[Sample], Sequence[Path]] = lambda sample: ()
) -> dict[Path, bytes | str]:
    """Return the content of the image files of a batch, or why a file cannot be read.

    Args:
        asks: What is asked.
        further: Returns what the model looks at besides the image of a sample.
    """
    paths = (path for own in asks for path in (own.sample.image, *further(own.sample)))
    return {path: content_of(path) for path in dict.fromkeys(paths)}


def content_of(path: Path) -> bytes | str:
    """Return the content of an image file, or why it cannot be read, as `load_image` says it."""
    try:
        return path.read_bytes()
    except OSError as error:
        try:
            load_image(path)
        except DataError as refused:
            return str(refused)
        return f"The image {path} cannot be read: {error.strerror}"


def image_of(own: Ask, batch: Batch, files: dict[Path, Image.Image]) -> Image.Image:
    """Return the image of a question; raise DataError if it cannot be used.

    A sample and the variants that leave its image as it is get the same object, so that a model can
    read it once.
    """
    path = own.sample.image
    if path not in files:
        content = path if batch.files is None else batch.files[path]
        if isinstance(content, str):
            raise DataError(content)
        if isinstance(content, bytes):
            files[path] = load_image(path, content)
        else:
            files[path] = load_image(path)
    image = files[path] if own.change is None else own.change.apply(files[path])
    if (image.height, image.width) != own.sample.size:
        raise DataError(
            f"{path} is {image.height} x {image.width} pixels, its annotation "
            f"{own.sample.size[0]} x {own.sample.size[1]} (height x width)."
        )
    return image


def failure(prompt: Prompt, reason: str) -> Pair:
    """Return the records of a question that has no answer."""
    answer = AnswerRecord(prompt.sample, prompt.protocol, prompt.text, error=reason)
    if prompt.protocol not in GROUNDED_PROTOCOLS:
        return Pair(answer, None)
    return Pair(answer, CandidateRecord(prompt.sample, prompt.protocol, error=reason))


def _storable(answer: AnswerRecord, candidates: CandidateRecord | None, prompt: Prompt) -> Pair:
    """Return the records; a recorded failure if they hold what no JSON file can."""
    for record in (answer, candidates):
        try:
            json.dumps(None if record is None else record.to_json(), ensure_ascii=False).encode()
        except (TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
            return failure(prompt, f"The answer cannot be stored: {describe(error)}")
    return Pair(answer, candidates)


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


def answers_of(
    source: AnswerSource, decoding: Decoding, asks: Sequence[Ask], needed: frozenset[Key]
) -> dict[Key, GivenAnswer]:
    """Return what a source answers to the questions of a batch whose records are missing.

    Args:
        source: Where the answers come from.
        decoding: How they are decoded, if they are generated now.
        asks: The questions, image by image.
        needed: The questions whose records are missing.

    Returns:
        The answers by sample and protocol; none for an image that cannot be read.
    """
    images: list[Image.Image] = []
    prompts: list[Prompt] = []
    files: dict[Path, Image.Image] = {}
    batch = Batch(asks, needed)
    for own in asks:
        missing = [p for p in own.prompts if (p.sample, p.protocol) in needed]
        try:
            image = image_of(own, batch, files) if source.needs_images else _NO_IMAGE
        except DataError:
            continue
        prompts += missing
        images += [image] * len(missing)
    answers = source.give(images, prompts, decoding)
    return {(p.sample, p.protocol): a for p, a in zip(prompts, answers, strict=True)}
