"""What a run directory holds about the samples that are scored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pixfoundation.runs.records import AnswerRecord, CandidateRecord, Key, VerdictRecord
from pixfoundation.runs.store import RunDirectory
from pixfoundation.types import Protocol, Sample

Record = TypeVar("Record")


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """A run's records, read once.

    Attributes:
        run: Where they are.
        samples: Those that are scored, in order.
        answers: By sample and protocol.
        candidates: By sample and protocol.
        verdicts: In the order written.
    """

    run: RunDirectory
    samples: tuple[Sample, ...]
    answers: Mapping[Key, AnswerRecord]
    candidates: Mapping[Key, CandidateRecord]
    verdicts: Sequence[VerdictRecord]

    @classmethod
    def of(cls, run: RunDirectory | Path | str, only: Sequence[str] | None = None) -> Evidence:
        """Read a run directory.

        Args:
            run: The run directory.
            only: Ids of the samples to score, in that order; None for all.

        Raises:
            RunError: If it cannot be read.
        """
        run = run if isinstance(run, RunDirectory) else RunDirectory(run)
        samples = run.samples.values() if only is None else (run.samples[id] for id in only)
        return cls(run, tuple(samples), run.answers(), run.candidates(), run.verdicts())

    def failures(self) -> tuple[tuple[str, Protocol, str], ...]:
        """Sample, protocol and reason of each failure; an answer that failed has no other."""
        answers = [
            record for held in by_protocol(self.answers).values() for record in held.values()
        ]
        failed: dict[Key, str] = {}
        for record in (*answers, *self.candidates.values()):
            if record.error is not None:
                failed.setdefault(record.key, record.error)
        return tuple((sample, protocol, reason) for (sample, protocol), reason in failed.items())


def by_protocol(records: Mapping[Key, Record]) -> dict[Protocol, dict[str, Record]]:
    """Sorts records by protocol, then by sample in the order written."""
    found: dict[Protocol, dict[str, Record]] = {}
    for (sample, protocol), record in sorted(records.items(), key=lambda item: item[0][1]):
        found.setdefault(protocol, {})[sample] = record
    return found
