"""Small run directories with known numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pixfoundation.masks import Mask
from pixfoundation.runs.config import RunConfig
from pixfoundation.runs.records import AnswerRecord, CandidateRecord, VerdictRecord
from pixfoundation.runs.store import RunDirectory
from pixfoundation.types import Candidate, Phrase, Sample

SIZE = (10, 10)


def columns(start: int, end: int) -> Mask:
    """A mask of whole columns: its area is 10 times their number."""
    array = np.zeros(SIZE, bool)
    array[:, start:end] = True
    return Mask.from_array(array)


EMPTY = Mask.empty(SIZE)


def make_sample(id: str, pair: str | None, answer: str = "a", mask: Mask | None = None, **fields):
    values = {
        "image": Path(f"{id}.png"),
        "size": SIZE,
        "question": "Is it open?",
        "options": ("Open", "Closed"),
        "answer": answer,
        "expression": "the door",
        "mask": columns(0, 4) if mask is None else mask,
        "pair": pair,
        "tags": {"pattern": "state"},
    }
    return Sample(id=id, **{**values, **fields})


def four_samples() -> list[Sample]:
    """Two pairs; sample 4 has nothing to find."""
    return [
        make_sample("1", "p", "a"),
        make_sample("2", "p", "b"),
        make_sample("3", "q", "a", tags={"pattern": "count"}),
        make_sample("4", "q", "b", EMPTY, expression=None, tags={"pattern": "count"}),
    ]


def write_run(
    path: Path,
    samples,
    answers=(),
    candidates=(),
    verdicts=(),
    *,
    imported: bool = False,
    dataset: str = "doors",
    model: str = "a model",
) -> RunDirectory:
    config = RunConfig(
        model={"name": model},
        dataset={"name": dataset},
        protocols=tuple(sorted({record.protocol for record in answers})) or (1, 2, 3),
        imported=imported,
    )
    run = RunDirectory.create(path, config, samples)
    for stem, records in (("answers", answers), ("candidates", candidates), ("verdicts", verdicts)):
        with run.appender(stem) as file:
            for record in records:
                file.append(record.to_json())
    return RunDirectory(path)


def letters(*texts: str, protocol=2) -> list[AnswerRecord]:
    """Answers of samples 1, 2, ...; None is a sample without one."""
    return [
        AnswerRecord(str(i), protocol, "?", text)
        for i, text in enumerate(texts, start=1)
        if text is not None
    ]


def native(*masks, protocol=3) -> list[CandidateRecord]:
    """One mask of the model's own for samples 1, 2, ...; None is a sample without candidates."""
    return [
        CandidateRecord(str(i), protocol, (Candidate(mask, source="native"),))
        for i, mask in enumerate(masks, start=1)
        if mask is not None
    ]


def attended(id: str, *masks: Mask, protocol=3, random=(), similarity=0.9) -> CandidateRecord:
    """Candidates of one phrase."""
    phrase = Phrase("a door", (0, 6))
    made = tuple(
        Candidate(mask, phrase, index=i, score=i / 10, similarity=similarity)
        for i, mask in enumerate(masks)
    )
    chance = tuple(
        Candidate(mask, index=i, score=i / 10, source="random") for i, mask in enumerate(random)
    )
    return CandidateRecord(id, protocol, made, chance)


def grades(*values, protocol=1, judge="someone") -> list[VerdictRecord]:
    """A judge's grades of samples 1, 2, ...; None is no valid verdict."""
    return [
        VerdictRecord(str(i), protocol, "grade", judge, value, value is not None)
        for i, value in enumerate(values, start=1)
    ]
