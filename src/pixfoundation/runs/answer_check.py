"""Compares given answers with those that the model generates itself, for a few samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from pixfoundation.engines import Crew, Unit
from pixfoundation.errors import DataError
from pixfoundation.runs.answering import Ask, Batch, read_files
from pixfoundation.runs.jsonl import write_json
from pixfoundation.runs.records import AnswerRecord, CandidateRecord, Key
from pixfoundation.runs.store import RunDirectory
from pixfoundation.types import Candidate
from pixfoundation.wording import counted

FILE = "answers_check.json"
NEAR = 0.5
"""Distance in pixels within which two points are the same."""


@dataclass(frozen=True, slots=True)
class AnswerCheck:
    """How many given answers the model would have given itself.

    Attributes:
        samples: Number of samples compared.
        texts: Number of answers compared.
        equal_texts: Number of them that the model generates just so.
        tokens: Number of tokens of the given answers.
        equal_tokens: Number of them before the first that differs.
        points: Number of points of the given answers.
        equal_points: Number of them that lie at the same pixel for the same words of the generated
            answer.
        first_difference: Sample, protocol and both texts of the first answer that differs; None if
            all are equal.
    """

    samples: int
    texts: int
    equal_texts: int
    tokens: int
    equal_tokens: int
    points: int
    equal_points: int
    first_difference: str | None = None

    @property
    def sentence(self) -> str:
        """The counts in words."""
        text = (
            f"Generated for {counted(self.samples, 'sample')}: {self.equal_texts} of "
            f"{counted(self.texts, 'text')}, {self.equal_tokens} of "
            f"{counted(self.tokens, 'token')} and {self.equal_points} of "
            f"{counted(self.points, 'point')} agree with the given answers."
        )
        return text if self.first_difference is None else f"{text} {self.first_difference}"

    def to_json(self) -> dict[str, Any]:
        """Return the counts as plain JSON data."""
        return asdict(self)


def check_answers(
    run: RunDirectory,
    crew: Crew,
    asked: Sequence[Sequence[Ask]],
    count: int,
    *,
    ships_files: bool = False,
) -> AnswerCheck:
    """Generate for some samples of a run of given answers, and compare; written to the run.

    Args:
        run: The run, complete.
        crew: Who read the answers.
        asked: What was asked, sample by sample.
        count: Number of samples, spread evenly over the run; all if there are fewer.
        ships_files: Whether the workers get the content of image files.
    """
    count = min(count, len(asked))
    chosen = [asked[len(asked) * place // count][0] for place in range(count)]
    answers, candidates = run.answers(), run.candidates()
    units: list[Unit] = []
    for own in chosen:
        sound = [p for p in own.prompts if answers[p.sample, p.protocol].error is None]
        if sound:
            units.append(_unit(replace(own, prompts=sound), ships_files=ships_files))
    tally = _Tally()
    for outcome in crew.deal(units):
        for pair in outcome.results:
            key = pair.answer.key
            tally.add(answers[key], pair.answer, candidates.get(key), pair.candidates)
    check = AnswerCheck(samples=len(units), **tally.counts())
    write_json(run.path / FILE, check.to_json())
    return check


def _unit(own: Ask, *, ships_files: bool) -> Unit:
    needed: frozenset[Key] = frozenset((prompt.sample, prompt.protocol) for prompt in own.prompts)

    def load() -> Batch:
        return Batch([own], needed, read_files([own]) if ships_files else None)

    return Unit(f"sample {own.sample.id}", load)


@dataclass(slots=True)
class _Tally:
    """Counts what agrees."""

    texts: int = 0
    equal_texts: int = 0
    tokens: int = 0
    equal_tokens: int = 0
    points: int = 0
    equal_points: int = 0
    first_difference: str | None = None

    def add(
        self,
        stored: AnswerRecord,
        generated: AnswerRecord,
        grounded: CandidateRecord | None,
        grounded_again: CandidateRecord | None,
    ) -> None:
        """Compare an answer with the one that the model generates itself."""
        self.texts += 1
        self.equal_texts += generated.text == stored.text and generated.error is None
        self.tokens += len(stored.token_ids)
        self.equal_tokens += _agreeing(stored.token_ids, generated.token_ids)
        if generated.text != stored.text and self.first_difference is None:
            self.first_difference = _difference(stored, generated)
        before = [] if grounded is None else _points(grounded.candidates)
        after = [] if grounded_again is None else _points(grounded_again.candidates)
        self.points += len(before)
        self.equal_points += sum(any(_same(one, other) for other in after) for one in before)

    def counts(self) -> dict[str, Any]:
        """Return the counts by name."""
        return asdict(self)


def read_check(run: Path) -> AnswerCheck | None:
    """Return the last check of a run directory; None if there is none.

    Raises:
        DataError: If its file is damaged.
    """
    file = run / FILE
    try:
        return msgspec.json.decode(file.read_bytes(), type=AnswerCheck)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as error:
        raise DataError(f"{file} cannot be read: {error}.") from error


_Point = tuple[tuple[int, int], float, float]


def _points(candidates: Sequence[Candidate]) -> list[_Point]:
    """Return the points of the candidates' segmenter prompts, with the words they belong to."""
    points: list[_Point] = []
    for candidate in candidates:
        if candidate.point is not None and candidate.index == 0:
            span = (0, 0) if candidate.phrase is None else candidate.phrase.span
            points.append((span, *candidate.point))
    return points


def _same(one: _Point, other: _Point) -> bool:
    return one[0] == other[0] and abs(one[1] - other[1]) <= NEAR and abs(one[2] - other[2]) <= NEAR


def _agreeing(one: Sequence[int], other: Sequence[int]) -> int:
    """Return how many tokens are equal before the first that differs."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((i for i, (a, b) in pairs if a != b), min(len(one), len(other)))


def _difference(stored: AnswerRecord, generated: AnswerRecord) -> str:
    def shown(text: str) -> str:
        return repr(text if len(text) <= 80 else f"{text[:80]} ...")

    return (
        f"The first that differs is sample {stored.sample}, protocol {stored.protocol}: given "
        f"{shown(stored.text)}, generated {shown(generated.error or generated.text)}."
    )
