"""Compare readings on the answers of one run: one generation, one pass, all maps.

Each line of `readings.jsonl` in the run is on disk before the next answer is looked at.
"""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from msgspec.structs import asdict

from pixfoundation.errors import DataError, RunError
from pixfoundation.forward import Forward
from pixfoundation.grounding.attend_and_segment import AttendAndSegment
from pixfoundation.masks import Mask, ious
from pixfoundation.models.base import GivesForwards, Model
from pixfoundation.reading import readings
from pixfoundation.reading.base import Maps, PhraseObserver, Reading
from pixfoundation.runs.collect import Progress
from pixfoundation.runs.run_records import RunRecords
from pixfoundation.runs.store import RunDirectory
from pixfoundation.scoring.intervals import Bootstrap, Estimate
from pixfoundation.segmenters.base import Segmenter
from pixfoundation.selectors import AnswerCandidates, selectors
from pixfoundation.selectors.base import SelectorSettings
from pixfoundation.similarity import Similarity
from pixfoundation.typed_options import read_options
from pixfoundation.types import Candidate, Protocol, Selection
from pixfoundation.where.answers import SeenAnswer, check_giving, look_again, seen_answers
from pixfoundation.where.measures import coverage, energy, hits, map_iou
from pixfoundation.where.reading_lines import STEM, ReadingLine, stored_lines

if TYPE_CHECKING:
    from torch import Tensor

MEASURES = ("pointing", "energy", "map_iou", "oracle", "similarity")
"""What is measured, in the order of the table."""


@dataclass(frozen=True, slots=True, eq=False)
class ReadingScores:
    """The measures of one reading over all answers.

    Attributes:
        reading: Name of the reading.
        settings: Its options.
        needs: What it asks of the pass.
        measures: By name, with intervals over pairs.
        chance: The chance level of each.
        seconds: Mean time per answer of the reading's own work.
        shared: Mean time per answer of the pass that all readings share.
    """

    reading: str
    settings: Mapping[str, Any]
    needs: tuple[str, ...]
    measures: Mapping[str, Estimate]
    chance: Mapping[str, Estimate]
    seconds: float
    shared: float

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain JSON data; shares from 0 to 1."""
        return {
            "reading": self.reading,
            "settings": dict(self.settings),
            "needs": list(self.needs),
            **{
                name: {**figure.to_json(), "chance": self.chance[name].to_json()}
                for name, figure in self.measures.items()
            },
            "seconds_per_answer": self.seconds,
            "shared_seconds_per_answer": self.shared,
        }


@dataclass(frozen=True, slots=True, eq=False)
class ReadingComparison:
    """All readings on the same answers.

    Attributes:
        run: Name of the run.
        protocol: Protocol of the answers.
        answers: Number of answers.
        segmenter: What drew the masks; None if nothing did.
        rows: One per reading, in the order asked for.
        left_out: Why a reading is missing, by its name.
    """

    run: str
    protocol: Protocol
    answers: int
    segmenter: str | None
    rows: tuple[ReadingScores, ...]
    left_out: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain JSON data."""
        return {
            "run": self.run,
            "protocol": self.protocol,
            "answers": self.answers,
            "segmenter": self.segmenter,
            "readings": [row.to_json() for row in self.rows],
            "left_out": dict(self.left_out),
        }


def load_readings(
    names: Sequence[str] = (), options: Mapping[str, Mapping[str, Any]] | None = None
) -> list[Reading]:
    """Load readings by name.

    Args:
        names: The names; none for all that are registered.
        options: Options by the name of the reading.

    Raises:
        UnknownNameError: If a name is unknown.
        DataError: If an option is unknown or wrong, or belongs to a reading that is not loaded.
    """
    chosen = list(dict.fromkeys(names)) or [entry.name for entry in readings]
    own = dict(options or {})
    if unused := own.keys() - set(chosen):
        raise DataError(f"Options were given for {min(unused)!r}, which is not compared.")
    loaded: list[Reading] = []
    for name in chosen:
        factory = readings.get(name)
        read = read_options(f"The reading {name!r}", factory, own.get(name, {}))
        loaded.append(factory(**read))
    return loaded


def compare_readings(
    run: RunDirectory | Path | str,
    model: Model,
    segmenter: Segmenter | None = None,
    *,
    chosen: Sequence[Reading] | None = None,
    protocol: Protocol = 3,
    limit: int | None = None,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> ReadingComparison:
    """Compare readings on the answers that a run holds; the same call continues where it stopped.

    Args:
        run: A run of the model. Its answers are read again, not generated.
        model: The model of the run.
        segmenter: Draws the masks at the maps' points; None to compare the maps alone.
        chosen: The readings, from `load_readings`; None for all, of which those that the model
            cannot give are left out.
        protocol: Protocol of the answers, 1 or 3.
        limit: Number of answers, from the first; None for all.
        on_progress: Called after every answer.

    Raises:
        DataError: If the model cannot give a reading that was asked for.
        RunError: If the run is one of another model, or has no answer to look at.
    """
    directory = run if isinstance(run, RunDirectory) else RunDirectory(run)
    giving = check_giving(directory, model)
    usable, left_out = _usable(giving, model.name, chosen)
    records = RunRecords.of(directory)
    answers = seen_answers(records, protocol, limit)
    name = None if segmenter is None else segmenter.name
    with directory.locked(), directory.appender(STEM) as file:
        lines = {line.key: line for line in stored_lines(directory)}
        todo = [a for a in answers if _missing(lines, a, usable, name)]

        def look(answer: SeenAnswer) -> None:
            missing = _missing(lines, answer, usable, name)
            for line in _lines(giving, directory, records, answer, missing, segmenter):
                file.append(asdict(line))
                lines[line.key] = line

        look_again(directory, todo, look, on_progress, "readings")
    rows = tuple(_scores(answers, lines, reading, name) for reading in usable)
    return ReadingComparison(
        directory.name, protocol, max(row.measures["pointing"].n for row in rows), name, rows,
        left_out,
    )  # fmt: skip


def _usable(
    model: GivesForwards, name: str, chosen: Sequence[Reading] | None
) -> tuple[list[Reading], dict[str, str]]:
    """Return the readings that a model can give, and why it cannot give others."""
    usable: list[Reading] = []
    left_out: dict[str, str] = {}
    for reading in load_readings() if chosen is None else chosen:
        reason = model.lacks(reading.needs)
        if reason is None:
            usable.append(reading)
        elif chosen is not None:
            raise DataError(f"The model {name!r} cannot give {reading.name!r}: {reason}.")
        else:
            left_out[reading.name] = reason
    if not usable:
        reasons = "; ".join(sorted(set(left_out.values())))
        raise DataError(f"The model {name!r} can give none of the readings: {reasons}.")
    return usable, left_out


def _missing(
    lines: Mapping[Any, ReadingLine],
    answer: SeenAnswer,
    chosen: Sequence[Reading],
    segmenter: str | None,
) -> list[Reading]:
    return [r for r in chosen if _key(answer, r, segmenter) not in lines]


def _key(answer: SeenAnswer, reading: Reading, segmenter: str | None) -> Any:
    settings = json.dumps(reading.settings(), sort_keys=True)
    return (answer.sample.id, answer.prompt.protocol, reading.name, settings, segmenter)


def _lines(
    model: GivesForwards,
    run: RunDirectory,
    records: RunRecords,
    answer: SeenAnswer,
    chosen: Sequence[Reading],
    segmenter: Segmenter | None,
) -> list[ReadingLine]:
    sample, protocol = answer.sample, answer.prompt.protocol
    image = run.load_image(sample.id)
    rules = run.config.conventions.model
    forward = model.forward(image, answer.prompt, answer.answer.token_ids, rules)
    maps, seconds, shared = _timed_maps(chosen, forward, answer.tokens)
    truth = sample.mask.decode()
    covered = coverage(truth, forward.frame)
    record = records.candidates.get((sample.id, protocol))
    random = () if record is None else record.random
    area = float(truth.mean())
    lines: list[ReadingLine] = []
    for reading, own, spent in zip(chosen, maps, seconds, strict=True):
        named = own[answer.named]
        generator = np.random.default_rng([zlib.crc32(sample.id.encode()), protocol])
        shape, elsewhere = map_iou(named, forward.frame, truth, generator)
        share = float(energy(named.reshape(-1), covered))
        measures: dict[str, float | None] = {
            "pointing": hits(named, forward.frame, truth),
            "energy": None if np.isnan(share) else share,
            "map_iou": shape,
            "oracle": None,
            "similarity": None,
        }
        chance: dict[str, float | None] = {
            "pointing": area, "energy": area, "map_iou": elsewhere,
            "oracle": None, "similarity": None,
        }  # fmt: skip
        if segmenter is not None:
            grounder = AttendAndSegment(segmenter, reading=reading)
            pairs = list(zip(answer.phrases, own, strict=True))
            candidates = tuple(grounder.segment_maps(image, forward.frame, pairs))
            measures["oracle"] = _selected("oracle", answer, candidates, ())
            measures["similarity"] = _selected("similarity", answer, candidates, ())
            if random:
                chance["oracle"] = _selected("oracle_random", answer, candidates, random)
                chance["similarity"] = _selected("random", answer, candidates, random)
        name = None if segmenter is None else segmenter.name
        lines.append(
            ReadingLine(
                sample.id,
                protocol,
                reading.name,
                dict(reading.settings()),
                name,
                measures,
                chance,
                spent,
                shared,
            )
        )
    return lines


def _selected(
    selector: str,
    answer: SeenAnswer,
    candidates: tuple[Candidate, ...],
    random: tuple[Candidate, ...],
) -> float | None:
    """Return the IoU of what a selector picks; None without anything to pick from."""
    if not candidates and not random:
        return None
    similarity = _similarity() if selector == "similarity" else None
    choose = selectors.get(selector)(SelectorSettings(similarity=similarity))
    picked: Selection = choose.select(AnswerCandidates(answer.sample, candidates, random))
    mask = picked.mask or Mask.empty(answer.sample.size)
    return float(ious([mask], answer.sample.mask)[0])


@cache
def _similarity() -> Similarity:
    return Similarity()


class _Timed:
    """An observer that measures the time of another one's work."""

    def __init__(self, observer: PhraseObserver) -> None:
        self._observer = observer
        self.queries, self.wants_states = observer.queries, observer.wants_states
        self.seconds = 0.0

    def attend(self, layer: int, first: int, weights: Tensor) -> None:
        if self.queries is not None:
            begin = time.perf_counter()
            self._observer.attend(layer, first, weights)
            self.seconds += time.perf_counter() - begin

    def state(self, layer: int, states: Tensor) -> None:
        begin = time.perf_counter()
        self._observer.state(layer, states)
        self.seconds += time.perf_counter() - begin

    def maps(self) -> Maps:
        begin = time.perf_counter()
        maps = self._observer.maps()
        self.seconds += time.perf_counter() - begin
        return maps


def _timed_maps(
    chosen: Sequence[Reading], forward: Forward, phrases: Sequence[Sequence[int]]
) -> tuple[list[Maps], list[float], float]:
    """Return the maps of each reading, the time of each one's own work, and that of the pass."""
    observers = [_Timed(reading.observe(forward, phrases)) for reading in chosen]
    begin = time.perf_counter()
    looking = [each for each in observers if each.queries is not None or each.wants_states]
    if looking:
        forward.run(looking)
    passed = time.perf_counter() - begin
    shared = passed - sum(each.seconds for each in observers)
    maps = [observer.maps() for observer in observers]
    return maps, [observer.seconds for observer in observers], shared


def _scores(
    answers: Sequence[SeenAnswer],
    lines: Mapping[Any, ReadingLine],
    reading: Reading,
    segmenter: str | None,
) -> ReadingScores:
    own = [
        (answer.sample, lines[key])
        for answer in answers
        if (key := _key(answer, reading, segmenter)) in lines
    ]
    if not own:
        raise RunError(f"The reading {reading.name!r} failed at every answer.")
    bootstrap = Bootstrap([sample for sample, _ in own])

    def column(part: str, name: str) -> Estimate:
        values = [
            cast("Mapping[str, float | None]", getattr(line, part)).get(name) for _, line in own
        ]
        return bootstrap.mean([np.nan if value is None else value for value in values])

    return ReadingScores(
        reading.name,
        reading.settings(),
        tuple(sorted(reading.needs)),
        {name: column("measures", name) for name in MEASURES},
        {name: column("chance", name) for name in MEASURES},
        float(np.mean([line.seconds for _, line in own])),
        float(np.mean([line.shared for _, line in own])),
    )
