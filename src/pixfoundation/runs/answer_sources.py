"""Where answers come from that the model of a run did not write: a run, a file, a served model."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from msgspec import Struct
from PIL import Image

from pixfoundation.errors import DataError, RunError
from pixfoundation.existence import exists, isdir, isfile
from pixfoundation.models.base import Decoding, GivenAnswer, Model
from pixfoundation.runs.config import (
    AnswersDescription,
    DatasetDescription,
    DecodingDescription,
)
from pixfoundation.runs.jsonl import read_lines
from pixfoundation.runs.records import Key
from pixfoundation.runs.store import RunDirectory
from pixfoundation.stored import ProtocolNumber, Whole
from pixfoundation.typed_json import UnreadableError, decode
from pixfoundation.types import Ended, Prompt
from pixfoundation.wording import counted


@runtime_checkable
class AnswerSource(Protocol):
    """Gives the answers that a model reads instead of generating them."""

    @property
    def needs_images(self) -> bool:
        """Whether the answers are generated from the images."""
        ...

    def describe(self) -> AnswersDescription:
        """Return what identifies the answers."""
        ...

    def decoding(self) -> DecodingDescription | None:
        """Return how the answers were decoded; None if the run's own settings decide it."""
        ...

    def begin(self, dataset: DatasetDescription, prompts: Sequence[Prompt]) -> None:
        """Check that there is an answer to every prompt.

        Args:
            dataset: The dataset of the run.
            prompts: Everything that the run asks.

        Raises:
            DataError: If answers are missing or belong to another dataset.
        """
        ...

    def reword(self, prompt: Prompt) -> Prompt:
        """Return the prompt that the answer was given to."""
        ...

    def give(
        self, images: Sequence[Image.Image], prompts: Sequence[Prompt], decoding: Decoding
    ) -> list[GivenAnswer]:
        """Return one answer per prompt, in order."""
        ...


@dataclass(frozen=True, slots=True)
class StoredLine:
    """An answer with the prompt that it was given to.

    Attributes:
        prompt: The prompt; empty if it is not known.
        answer: The answer.
    """

    prompt: str
    answer: GivenAnswer


@dataclass(frozen=True, slots=True, eq=False)
class StoredAnswers:
    """Answers of a run or a file.

    Attributes:
        place: The folder or file, for messages.
        description: What identifies the answers.
        lines: The answers by sample and protocol.
        dataset: The dataset that they are about; None if it is not known.
        decoded: How they were decoded; nothing is set where it is not known.
        needs_images: False: they are there.
    """

    place: Path
    description: AnswersDescription
    lines: Mapping[Key, StoredLine]
    dataset: DatasetDescription | None = None
    decoded: DecodingDescription = field(default_factory=DecodingDescription)
    needs_images: bool = False

    @classmethod
    def of_run(cls, path: Path) -> StoredAnswers:
        """Read the answers of a run directory.

        Raises:
            RunError: If the folder holds no run, or cannot be read.
        """
        run = RunDirectory(path)
        lines = {
            key: StoredLine(
                record.prompt,
                GivenAnswer(
                    record.text, record.token_ids, record.thoughts, record.ended, record.error
                ),
            )
            for key, record in run.answers().items()
        }
        config = json.dumps(run.config.to_json(), sort_keys=True).encode()
        description = AnswersDescription(
            name=run.config.model.name or run.name,
            kind="run",
            sha256=hashlib.sha256(config).hexdigest(),
        )
        return cls(path, description, lines, run.config.dataset, run.config.decoding)

    @classmethod
    def of_file(cls, path: Path) -> StoredAnswers:
        """Read a file of JSON Lines: `sample`, `protocol`, `text`, and what else is known.

        Raises:
            DataError: If a line is not of that form, or two are about the same question.
            RunError: If the file cannot be read.
        """
        lines: dict[Key, StoredLine] = {}
        digest = hashlib.sha256()
        for line in read_lines(path, torn=True):
            try:
                if line.text is None:
                    raise UnreadableError("", "the line is too long")
                digest.update(line.text + b"\n")
                if not line.text.strip():
                    continue
                stored = decode(line.text, _FileLine)
            except UnreadableError as error:
                place = f", {error.field}" if error.field else ""
                raise DataError(
                    f"{path}, line {line.number}{place}: {error.reason}. Expected JSON such as "
                    '{"sample": "1", "protocol": 1, "text": "The cat is red."}.'
                ) from error
            key = (stored.sample, stored.protocol)
            if key in lines:
                raise DataError(
                    f"{path}, line {line.number}: sample {stored.sample}, protocol "
                    f"{stored.protocol} has an answer in an earlier line."
                )
            answer = GivenAnswer(
                stored.text, stored.token_ids, stored.thoughts, stored.ended, stored.error
            )
            lines[key] = StoredLine(stored.prompt, answer)
        if not lines:
            raise DataError(f"{path} holds no answers.")
        description = AnswersDescription(name=path.name, kind="file", sha256=digest.hexdigest())
        return cls(path, description, lines)

    def describe(self) -> AnswersDescription:
        """Return what identifies the answers."""
        return self.description

    def decoding(self) -> DecodingDescription:
        """Return how the answers were decoded."""
        return self.decoded

    def begin(self, dataset: DatasetDescription, prompts: Sequence[Prompt]) -> None:
        """Check that there is an answer to every prompt; see `AnswerSource`."""
        own = self.dataset
        if own is not None and (own.name, own.fingerprint) != (
            dataset.name,
            dataset.fingerprint,
        ):
            raise DataError(
                f"{self.place} holds answers about {own.name} ({own.fingerprint}), but this "
                f"run is about {dataset.name} ({dataset.fingerprint}). Load the same data."
            )
        missing = [p for p in prompts if (p.sample, p.protocol) not in self.lines]
        if missing:
            first = missing[0]
            raise DataError(
                f"{self.place} lacks {len(missing)} of {counted(len(prompts), 'answer')}; the "
                f"first is sample {first.sample}, protocol {first.protocol}. Complete it, or ask "
                "less by `limit` or `protocols`."
            )

    def reword(self, prompt: Prompt) -> Prompt:
        """Return the prompt that the answer was given to."""
        line = self.lines.get((prompt.sample, prompt.protocol))
        return replace(prompt, text=line.prompt) if line is not None and line.prompt else prompt

    def give(
        self, images: Sequence[Image.Image], prompts: Sequence[Prompt], decoding: Decoding
    ) -> list[GivenAnswer]:
        """Return one answer per prompt, in order."""
        return [self.lines[prompt.sample, prompt.protocol].answer for prompt in prompts]


@dataclass(frozen=True, slots=True, eq=False)
class AskedAnswers:
    """Answers that another model gives in the course of the run.

    Attributes:
        model: The model that is asked.
        kind: What it is, as the run records it.
        needs_images: True: they are sent with the questions.
    """

    model: Model
    kind: str = "endpoint"
    needs_images: bool = True

    def describe(self) -> AnswersDescription:
        """Return the name of the model."""
        return AnswersDescription(name=self.model.name, kind=self.kind)

    def decoding(self) -> None:
        """Return None: the run's own settings decide how answers are decoded."""

    def begin(self, dataset: DatasetDescription, prompts: Sequence[Prompt]) -> None:
        """Do nothing: every question will be asked."""

    def reword(self, prompt: Prompt) -> Prompt:
        """Return the prompt as it is."""
        return prompt

    def give(
        self, images: Sequence[Image.Image], prompts: Sequence[Prompt], decoding: Decoding
    ) -> list[GivenAnswer]:
        """Return one answer per prompt, in order."""
        answers = self.model.answer(images, prompts, replace(decoding, attention=False))
        return [GivenAnswer(a.text, a.token_ids, a.thoughts, a.ended, a.error) for a in answers]


@dataclass(frozen=True, slots=True, eq=False)
class CarriedAnswers:
    """Answers that came with the questions.

    Attributes:
        answers: The answers by sample and protocol.
    """

    answers: Mapping[Key, GivenAnswer]

    def give(self, prompts: Sequence[Prompt]) -> list[GivenAnswer]:
        """Return one answer per prompt, in order."""
        return [self.answers[prompt.sample, prompt.protocol] for prompt in prompts]


def load_answers(place: Path | str, **options: Any) -> AnswerSource:
    """Return a source of answers.

    Args:
        place: A run directory, a file of JSON Lines, or `endpoint:URL`.
        options: For an endpoint, options of the model `openai`, such as `model` or `at_once`. Where
            `model` is left out, the only model that the server lists is asked.

    Raises:
        DataError: If there is no such place, or it holds no answers.
        RunError: If it cannot be read.
        JudgeError: If the endpoint cannot be reached.
    """
    text = str(place)
    if text.startswith("endpoint:"):
        from pixfoundation.models.endpoint.adapter import open_writer

        return AskedAnswers(open_writer(text.removeprefix("endpoint:"), **options))
    if options:
        raise DataError(
            f"Options such as {next(iter(options))!r} are for answers from endpoint:URL, but these "
            f"come from {text}."
        )
    path = Path(place)
    if isdir(path):
        return StoredAnswers.of_run(path)
    if not exists(path):
        raise DataError(
            f"There are no answers at {text}. Expected a run directory, a file of JSON Lines, or "
            "endpoint:URL."
        )
    if not isfile(path):
        raise RunError(f"{text} is neither a run directory nor a file.")
    return StoredAnswers.of_file(path)


class _FileLine(Struct, frozen=True):
    """A line of a file of answers."""

    sample: str
    protocol: ProtocolNumber
    text: str
    prompt: str = ""
    token_ids: tuple[Whole, ...] = ()
    thoughts: str = ""
    ended: Ended | None = None
    error: str | None = None
