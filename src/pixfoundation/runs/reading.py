"""Reads the lines of a run directory; a damaged line costs itself, and is named.

Everything is checked here, once, before anything else sees it: the types and bounds of every field
(`stored`, `runs.lines`), that run lengths fill their masks (`run_lengths`), and that a record fits
the samples of its run. What reads records relies on them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from pixfoundation.errors import DataError
from pixfoundation.masks import Mask
from pixfoundation.run_lengths import fill
from pixfoundation.runs.jsonl import Line, read_lines
from pixfoundation.runs.lines import (
    StoredAnswer,
    StoredCandidates,
    StoredDeletion,
    StoredVerdict,
)
from pixfoundation.runs.records import (
    AnswerRecord,
    CandidateRecord,
    DeletionRecord,
    VerdictRecord,
)
from pixfoundation.stored import StoredSample
from pixfoundation.typed_json import MOST_BYTES, UnreadableError, decode
from pixfoundation.types import Sample

R = TypeVar("R")
BATCH_BYTES = 1 << 16
"""Run lengths are checked in groups of lines of about this number of bytes."""
SHOWN = 3
"""Number of damaged lines of a file that are named in one sentence."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Damage:
    """A line that was skipped.

    Attributes:
        file: The file.
        line: Its number, from 1.
        field: Path of the damaged field; empty if the line as a whole is.
        reason: What was expected and what was found.
    """

    file: Path
    line: int
    field: str
    reason: str

    def __str__(self) -> str:
        place = f"line {self.line}, {self.field}" if self.field else f"line {self.line}"
        return f"{place}: {self.reason}"


@dataclass(slots=True)
class DamageList:
    """The damaged lines of a run directory, as far as it was read."""

    _lines: dict[tuple[Path, int], Damage] = field(
        default_factory=dict[tuple[Path, int], Damage], init=False
    )

    _others: list[str] = field(default_factory=list[str], init=False)

    def __iter__(self) -> Iterator[Damage]:
        return iter(self._lines.values())

    def __len__(self) -> int:
        return len(self._lines)

    def note_all(self, sentence: str) -> None:
        """Keep and log what is wrong with records that are damaged only together with others."""
        if sentence not in self._others:
            self._others.append(sentence)
            logger.warning("%s", sentence)

    def note(self, damages: Sequence[Damage]) -> None:
        """Keep the damage of one file, and log what was not known of it."""
        new = [one for one in damages if (one.file, one.line) not in self._lines]
        self._lines.update({(one.file, one.line): one for one in new})
        if new:
            logger.warning("%s", _sentence(new))

    def sentences(self) -> list[str]:
        """Return one sentence per file, then those about records together with others."""
        files: dict[Path, list[Damage]] = {}
        for one in self:
            files.setdefault(one.file, []).append(one)
        return [*(_sentence(lines) for lines in files.values()), *self._others]


def _sentence(lines: Sequence[Damage]) -> str:
    """Count and name damaged lines of one file."""
    number = "1 damaged line was" if len(lines) == 1 else f"{len(lines)} damaged lines were"
    named = "; ".join(str(line) for line in lines[:SHOWN])
    more = f"; and {len(lines) - SHOWN} more" if len(lines) > SHOWN else ""
    return f"{lines[0].file}: {number} skipped ({named}{more})."


@dataclass(frozen=True)
class RecordKind(Generic[R]):
    """A kind of record of a run directory.

    Attributes:
        stem: Name of its file without the ending.
        build: Reads the text of a line; raises DataError if it is damaged.
        contradiction: Says how a record contradicts its run, as (field, reason); None if it fits.
        masks: The masks of a record.
        field: Path of the field of its mask with an index, counted in the order of `masks`.
    """

    stem: str
    build: Callable[[bytes], R]
    contradiction: Callable[[R, Mapping[str, Sample]], tuple[str, str] | None]
    masks: Callable[[R], Sequence[Mask]] = lambda record: ()
    field: Callable[[R, int], str] = lambda record, index: ""

    def read(self, file: Path, samples: Mapping[str, Sample], damage: DamageList) -> Iterator[R]:
        """Yield the records of a file; a missing file has none.

        Args:
            file: The file.
            samples: The samples of the run, by id.
            damage: Receives the lines that were skipped.

        Raises:
            RunError: If the file cannot be read.
        """
        damages: list[Damage] = []
        waiting: list[tuple[int, R]] = []
        size = 0
        for line in read_lines(file):
            record = self._record(file, line, samples, damages)
            if record is not None:
                waiting.append((line.number, record))
                size += len(line.text or b"")
            if size >= BATCH_BYTES:
                yield from self._filled(file, waiting, damages)
                waiting, size = [], 0
        yield from self._filled(file, waiting, damages)
        damage.note(sorted(damages, key=lambda one: one.line))

    def _record(
        self, file: Path, line: Line, samples: Mapping[str, Sample], damages: list[Damage]
    ) -> R | None:
        place, reason = "", ""
        if line.text is None:
            reason = f"it is longer than {MOST_BYTES >> 20} MB"
        else:
            try:
                record = self.build(line.text)
            except UnreadableError as error:
                place, reason = error.field, error.reason
            except DataError as error:
                reason = str(error)
            else:
                contradiction = self.contradiction(record, samples)
                if contradiction is None:
                    return record
                place, reason = contradiction
        damages.append(Damage(file, line.number, place, reason))
        return None

    def _filled(
        self, file: Path, records: Sequence[tuple[int, R]], damages: list[Damage]
    ) -> Iterator[R]:
        """Yield the records whose run lengths fill their masks."""
        offered = [self.masks(record) for _, record in records]
        every = [mask for masks in offered for mask in masks]
        good = fill([m.counts for m in every], [m.size[0] * m.size[1] for m in every])
        if good.all():
            yield from (record for _, record in records)
            return
        start = 0
        for (number, record), masks in zip(records, offered, strict=True):
            own = good[start : start + len(masks)]
            start += len(masks)
            if own.all():
                yield record
            else:
                name = f"{self.field(record, int(own.argmin()))}.counts"
                reason = "the run lengths do not fill the mask's size"
                damages.append(Damage(file, number, name, reason))


def sample_of(record: Any, samples: Mapping[str, Sample]) -> tuple[str, str] | None:
    """Say that a record is of a sample that the run does not have, as (field, reason)."""
    if record.sample not in samples:
        return "sample", f"the run has no sample {record.sample!r}"
    return None


def _candidates_of(
    record: CandidateRecord, samples: Mapping[str, Sample]
) -> tuple[str, str] | None:
    if record.sample not in samples:
        return sample_of(record, samples)
    size = samples[record.sample].size
    if all(one.mask.size == size for one in (*record.candidates, *record.random)):
        return None
    for index, mask in enumerate(_candidate_masks(record)):
        if mask.size != size:
            return f"{_candidate_field(record, index)}.size", (
                f"the mask is {mask.size[0]} x {mask.size[1]}, the image {size[0]} x {size[1]} "
                "(height x width)"
            )
    return None


def _deletion_of(record: DeletionRecord, samples: Mapping[str, Sample]) -> tuple[str, str] | None:
    if record.sample not in samples:
        return sample_of(record, samples)
    height, width = samples[record.sample].size
    for name, (_, _, x1, y1) in (("deleted", record.deleted), ("control", record.control)):
        if x1 > width or y1 > height:
            return name, f"the box ends at {x1, y1}, outside the image of {width, height}"
    return None


def _candidate_masks(record: CandidateRecord) -> list[Mask]:
    return [one.mask for one in (*record.candidates, *record.random)]


def _candidate_field(record: CandidateRecord, index: int) -> str:
    at_random = index - len(record.candidates)
    return f"candidates[{index}].mask" if at_random < 0 else f"random[{at_random}].mask"


SAMPLES = RecordKind[Sample](
    "samples",
    lambda text: Sample.from_stored(decode(text, StoredSample)),
    lambda sample, known: None,
    lambda sample: (sample.mask, *sample.parts),
    lambda sample, index: f"parts[{index - 1}]" if index else "mask",
)
ANSWERS = RecordKind[AnswerRecord](
    "answers",
    lambda text: AnswerRecord.from_stored(decode(text, StoredAnswer)),
    sample_of,
)
CANDIDATES = RecordKind[CandidateRecord](
    "candidates",
    lambda text: CandidateRecord.from_stored(decode(text, StoredCandidates)),
    _candidates_of,
    _candidate_masks,
    _candidate_field,
)
VERDICTS = RecordKind[VerdictRecord](
    "verdicts",
    lambda text: VerdictRecord.from_stored(decode(text, StoredVerdict)),
    sample_of,
)
DELETIONS = RecordKind[DeletionRecord](
    "deletions",
    lambda text: DeletionRecord.from_stored(decode(text, StoredDeletion)),
    _deletion_of,
)
