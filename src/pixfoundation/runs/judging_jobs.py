"""What a judge is asked about one answer: to grade it, to pick its mask, to label a phrase."""

from __future__ import annotations

import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from pixfoundation.conventions import JudgingConventions
from pixfoundation.engines import Crew
from pixfoundation.errors import DataError, PixFoundationError
from pixfoundation.judges import prompts
from pixfoundation.judges.base import Judge, RequestRefused
from pixfoundation.judges.picking import MaskChoice, pick_mask
from pixfoundation.judges.questions import Verdict, ask_concept, ask_yes_no
from pixfoundation.masks import Mask
from pixfoundation.runs.measuring import Picture
from pixfoundation.runs.records import AnswerRecord, Key, VerdictKind
from pixfoundation.types import Sample

AnyVerdict = Verdict[bool] | Verdict[int] | Verdict[list[str]]

VerdictKey = tuple[VerdictKind, Key, str | None]
"""What tells verdicts of one judge apart: kind, answer, and the phrase that a concept is about."""

JobOutcome = list[tuple[VerdictKind, AnyVerdict]] | str
"""Verdicts with their kinds, or in one sentence why the judge gave no reply."""

FAILURES_IN_A_ROW = 3
"""Number of questions without a reply, one after the other, that stop the judging."""


@dataclass(frozen=True, slots=True)
class Job(ABC):
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
    def key(self) -> VerdictKey:
        """What no second verdict is needed for."""
        return (self.kind, self.answer.key, self.phrase)

    @property
    def cost(self) -> float:
        """About how long it takes, in requests."""
        return 1.0

    def packed(self, crew: Crew) -> Job:
        """Return the job with all that a worker of a crew needs."""
        return self

    @abstractmethod
    def ask(
        self, judge: Judge, conventions: JudgingConventions, seed: int
    ) -> list[tuple[VerdictKind, AnyVerdict]]:
        """Ask the judge, and return its verdicts with their kinds."""


@dataclass(frozen=True, slots=True)
class Grading(Job):
    """An answer of protocol 1 to grade."""

    kind = "grade"

    def ask(
        self, judge: Judge, conventions: JudgingConventions, seed: int
    ) -> list[tuple[VerdictKind, AnyVerdict]]:
        """Ask for a grade."""
        sample = self.sample
        truth = " or ".join(sample.references) if sample.answer is None else f"({sample.answer})"
        question = prompts.grading_question(
            self.answer.prompt, truth, self.answer.text, conventions.temperature
        )
        return [("grade", ask_yes_no(judge, question))]


@dataclass(frozen=True, slots=True)
class Picking(Job):
    """An answer whose mask is to be picked."""

    kind = "pick"
    expression: str
    masks: tuple[Mask, ...]
    picture: Picture

    @property
    def cost(self) -> float:
        """About how long it takes, in requests with one image."""
        return 1.0 + len(self.masks)

    def packed(self, crew: Crew) -> Picking:
        """Return the job with the content of the image file."""
        return replace(self, picture=self.picture.packed(crew))

    def ask(
        self, judge: Judge, conventions: JudgingConventions, seed: int
    ) -> list[tuple[VerdictKind, AnyVerdict]]:
        """Ask whether the object is there, and which mask shows it."""
        place = [seed, zlib.crc32(self.sample.id.encode()), self.answer.protocol]
        image = self.picture.load()
        if any(mask.size != (image.height, image.width) for mask in self.masks):
            raise DataError(f"{self.sample.image} has another size than the masks of the run.")
        choice = MaskChoice(image, self.expression, self.masks)
        picking = pick_mask(judge, choice, conventions, np.random.default_rng(place))
        return [("presence", picking.presence), ("pick", picking.pick)]


@dataclass(frozen=True, slots=True)
class Labelling(Job):
    """A phrase of an answer whose concept is to be labelled.

    The phrase is part of the key, since other rules may call another phrase the best.
    """

    kind = "concept"
    text: str

    @property
    def phrase(self) -> str | None:
        """The phrase."""
        return self.text

    def ask(
        self, judge: Judge, conventions: JudgingConventions, seed: int
    ) -> list[tuple[VerdictKind, AnyVerdict]]:
        """Ask for the concepts of the phrase."""
        temperature = conventions.temperature
        return [("concept", ask_concept(judge, self.text, self.answer.text, temperature))]


class JobJudge(ABC):
    """A judge that takes all jobs together, not question by question.

    Attributes:
        name: Name of the judge.
        asked: Number of questions so far, without the replies that came from the cache.
        failures_in_a_row: Number of jobs without a reply, one after the other, that stop the
            judging; None where their order means nothing.
        log: Writes a line to the log of the run; the judging sets it.
    """

    name: str
    asked: int
    log: Callable[[str], None]
    failures_in_a_row: ClassVar[int | None] = FAILURES_IN_A_ROW

    @abstractmethod
    def outcomes(
        self, jobs: Sequence[Job], conventions: JudgingConventions, seed: int
    ) -> Iterator[tuple[Job, JobOutcome]]:
        """Yield what the judge says to each job, as it comes; replies are on disk before that.

        Args:
            jobs: What is asked.
            conventions: How the judge is asked.
            seed: Seed of the shuffled places in the tournament.
        """


def outcome_of(job: Job, judge: Judge, conventions: JudgingConventions, seed: int) -> JobOutcome:
    """Return the verdicts of a judge about one answer, or why there are none.

    Raises:
        PixFoundationError: If the judge cannot be asked any more.
    """
    try:
        return job.ask(judge, conventions, seed)
    except (RequestRefused, DataError) as error:
        return str(error)
    except PixFoundationError:
        raise
    except Exception as error:  # of a judge that is a plug-in: it costs this question
        return f"{type(error).__name__}: {error}"
