"""Runs in which grounding emerges where it was put."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from pixfoundation.masks import Mask
from pixfoundation.runs.config import RunConfig
from pixfoundation.runs.records import AnswerRecord, CandidateRecord, VerdictRecord
from pixfoundation.runs.store import RunDirectory
from pixfoundation.types import Candidate, Phrase, Sample

SIZE = (20, 20)
TRUTH = np.zeros(SIZE, bool)
TRUTH[5:15, 5:15] = True
SENTENCE = "A red cup stands near a wide table by the left corner of a room with an open door."
PHRASES = ("A red cup", "a wide table", "the left corner", "a room", "an open door")


def phrase_in(text: str, words: str) -> Phrase:
    start = text.index(words)
    tokens = tuple(range(len(text[:start].split()), len(text[: start + len(words)].split())))
    return Phrase(words, (start, start + len(words)), tokens, words.split()[-1])


def covering(share: float) -> Mask:
    """A mask inside the truth with that IoU."""
    inside = np.flatnonzero(TRUTH.ravel())
    flat = np.zeros(TRUTH.size, bool)
    flat[inside[: round(share * inside.size)]] = True
    return Mask.from_array(flat.reshape(SIZE))


def planted_run(
    folder: Path,
    best: Callable[[int], int],
    samples: int = 60,
    text: str = SENTENCE,
    phrases: Sequence[str] = PHRASES,
    expression: str | None = "the red cup",
    verdicts: Sequence[VerdictRecord] = (),
    rest: float = 0.3,
) -> RunDirectory:
    """Makes a run whose i-th answer grounds best with phrase `best(i)`; -1 for none at all.

    The best mask has an IoU of 0.9, the others `rest`.
    """
    made = [
        Sample(
            id=str(i),
            image=Path(f"{i}.png"),
            size=SIZE,
            question="Is it?",
            options=("Yes", "No"),
            answer="a",
            expression=expression,
            mask=Mask.from_array(TRUTH),
            parts=() if expression else (Mask.from_array(TRUTH),),
            pair=str(i // 2),
        )
        for i in range(samples)
    ]
    config = RunConfig(model={"name": "planted"}, dataset={"name": "x"}, protocols=(3,))
    run = RunDirectory.create(folder, config, made)
    rng = np.random.default_rng(0)
    with (
        run.appender("answers") as answers,
        run.appender("candidates") as candidates,
        run.appender("verdicts") as said,
    ):
        for i, sample in enumerate(made):
            tokens = tuple(range(len(text.split())))
            answers.append(AnswerRecord(sample.id, 3, "Identify", text, tokens).to_json())
            found = [
                Candidate(
                    covering(0.0 if best(i) < 0 else 0.9 if k == best(i) else rest),
                    phrase_in(text, words),
                    point=(10.0, 10.0) if k == best(i) else (1.0, 1.0),
                    index=index,
                )
                for k, words in enumerate(phrases)
                for index in range(3)
            ]
            random = [
                Candidate(covering(rng.uniform(0.1, 0.5)), point=(2.0, 2.0), source="random")
                for _ in phrases
            ]
            record = CandidateRecord(sample.id, 3, tuple(found), tuple(random))
            candidates.append(record.to_json())
        for verdict in verdicts:
            said.append(verdict.to_json())
    return RunDirectory(folder)
