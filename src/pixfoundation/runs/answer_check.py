"""Compares given answers with those that the model generates itself, for a few samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from pixfoundation.errors import DataError
from pixfoundation.grounding.base import Grounder
from pixfoundation.models.asking import ask
from pixfoundation.models.base import Decoding, Model
from pixfoundation.prompts import build_prompt
from pixfoundation.runs.jsonl import write_json
from pixfoundation.runs.store import RunDirectory
from pixfoundation.types import Candidate, Prompt
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
    run: RunDirectory, model: Model, grounder: Grounder | None, decoding: Decoding, count: int
) -> AnswerCheck:
    """Generate for some samples of a run of given answers, and compare; written to the run.

    Args:
        run: The run, complete.
        model: The model that read the answers.
        grounder: What grounded them; None to compare texts alone.
        decoding: How the model generates.
        count: Number of samples, spread evenly over the run; all if there are fewer.
    """
    ids = list(run.samples)
    step = max(1, len(ids) // count)
    answers, candidates = run.answers(), run.candidates()
    decoding = replace(decoding, attention=grounder is not None and "attention" in grounder.uses)
    texts = equal_texts = tokens = equal_tokens = points = equal_points = 0
    first: str | None = None
    chosen = ids[::step][:count]
    for id in chosen:
        written = [
            record
            for protocol in run.config.protocols
            if (record := answers.get((id, protocol))) is not None and record.error is None
        ]
        if not written:
            continue
        image = run.load_image(id)
        prompts = [
            replace(prompt, text=record.prompt)
            for record in written
            if (prompt := build_prompt(run.samples[id], record.protocol, model.templates))
        ]
        for record, prompt, own in zip(
            written, prompts, ask(model, [image] * len(prompts), prompts, decoding), strict=True
        ):
            texts += 1
            equal_texts += own.text == record.text
            tokens += len(record.token_ids)
            equal_tokens += _agreeing(record.token_ids, own.token_ids)
            if own.text != record.text and first is None:
                first = _difference(prompt, record.text, own.error or own.text)
            stored = candidates.get(record.key)
            if grounder is None or stored is None or stored.error or own.error:
                points += len(_points(stored.candidates)) if stored else 0
                continue
            stored_points = _points(stored.candidates)
            points += len(stored_points)
            here = _points(grounder.ground(image, own))
            equal_points += sum(any(_same(one, other) for other in here) for one in stored_points)
    check = AnswerCheck(
        len(chosen), texts, equal_texts, tokens, equal_tokens, points, equal_points, first
    )
    write_json(run.path / FILE, check.to_json())
    return check


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


def _difference(prompt: Prompt, written: str, generated: str) -> str:
    def shown(text: str) -> str:
        return repr(text if len(text) <= 80 else f"{text[:80]} ...")

    return (
        f"The first that differs is sample {prompt.sample}, protocol {prompt.protocol}: given "
        f"{shown(written)}, generated {shown(generated)}."
    )
