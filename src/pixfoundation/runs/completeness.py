"""How complete a run is: answers on record, failures, and shards that are still open.

A run that lacks answers, or in which some failed, must look it wherever its numbers stand.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from pixfoundation.runs import reading
from pixfoundation.runs.records import Key
from pixfoundation.runs.run_records import RunRecords
from pixfoundation.runs.shards import Batching, Shard
from pixfoundation.types import PROTOCOLS, Protocol
from pixfoundation.wording import counted

_SHARD_FILE = re.compile(r"answers\.(\d+)-of-(\d+)\.jsonl")


@dataclass(frozen=True, slots=True)
class Completeness:
    """How many answers of a run there are.

    Attributes:
        answers: Number of answers on record, failed ones included.
        expected: Number of answers when the run is complete.
        failed: Number of answers on record that failed, or whose masks did.
        open_shards: Shards that lack answers, such as `2/4`; empty if no shards are used, or if
            that cannot be told.
        reason: Why the first of the failures failed; None without a failure.
    """

    answers: int
    expected: int
    failed: int = 0
    open_shards: tuple[str, ...] = ()
    reason: str | None = None

    @property
    def complete(self) -> bool:
        """Whether every answer is on record."""
        return self.answers >= self.expected

    @property
    def sound(self) -> bool:
        """Whether every answer is on record and none failed."""
        return self.complete and not self.failed

    @property
    def useless(self) -> bool:
        """Whether there are answers on record, and all of them failed."""
        return 0 < self.answers <= self.failed

    @property
    def mark(self) -> str | None:
        """What must stand next to any number of the run, in few words; None for a sound run."""
        if not self.complete:
            return f"incomplete: {self.answers} of {counted(self.expected, 'answer')}"
        if self.failed:
            return f"{self.failed} of {counted(self.expected, 'answer')} failed"
        return None

    @property
    def sentence(self) -> str | None:
        """The mark with the shards that are open and the failures; None for a sound run."""
        if self.mark is None:
            return None
        parts = [self.mark]
        parts += [f"part {shard} open (--shard {shard})" for shard in self.open_shards]
        if self.failed and not self.complete:
            parts.append(f"{self.failed} failed")
        return ", ".join(parts)

    def to_json(self) -> dict[str, Any]:
        """Return the counts as plain JSON data."""
        return {
            "answers": self.answers,
            "expected": self.expected,
            "failed": self.failed,
            "open_shards": list(self.open_shards),
        }


def measure_completeness(records: RunRecords) -> Completeness:
    """Count what a run has and lacks, over the samples that are looked at.

    Imported files may hold masks without answers, or grades alone, and one protocol of three: there
    any record counts as the answer, and only protocols with records are expected.
    """
    present = _present(records)
    expected = _expected(records, present)
    failures: dict[Key, str] = {
        (sample, protocol): reason
        for sample, protocol, reason in records.failures()
        if (sample, protocol) in expected
    }
    missing = expected - present
    return Completeness(
        answers=len(expected & present),
        expected=len(expected),
        failed=len(failures),
        open_shards=_open_shards(records, {sample for sample, _ in missing}) if missing else (),
        reason=next(iter(failures.values()), None),
    )


def _present(records: RunRecords) -> set[Key]:
    present: set[Key] = set(records.answers)
    if records.run.config.imported:
        present |= set(records.candidates) | {verdict.key for verdict in records.verdicts}
    return present


def _expected(records: RunRecords, present: Collection[Key]) -> set[Key]:
    protocols: Collection[Protocol] = records.run.config.protocols
    if records.run.config.imported:
        protocols = {protocol for _, protocol in present}
    return {
        (sample.id, protocol)
        for sample in records.samples
        for protocol in PROTOCOLS
        if protocol in protocols and sample.asks(protocol)
    }


def _open_shards(records: RunRecords, missing: Collection[str]) -> tuple[str, ...]:
    """Return the shards to which samples without an answer belong.

    A shard holds every N-th batch. The size of the batches is the smallest for which every sample
    on record lies in the shard whose file it is in.
    """
    shard_of = _shards_on_record(records)
    counts = {shard.count for shard in shard_of.values()}
    if len(counts) != 1:
        return ()
    (count,) = counts
    asked = [
        sample.id
        for sample in records.run.samples.values()
        if any(sample.asks(protocol) for protocol in records.run.config.protocols)
    ]
    for size in range(1, len(asked) + 1):
        shards = [Shard(number, count) for number in range(1, count + 1)]
        members = {
            shard: {id for batch in Batching(size, shard).cut(asked) for id in batch}
            for shard in shards
        }
        if all(id in members[shard] for id, shard in shard_of.items() if id in asked):
            return tuple(
                f"{shard.number}/{count}" for shard in shards if members[shard] & set(missing)
            )
    return ()


def _shards_on_record(records: RunRecords) -> Mapping[str, Shard]:
    """Return the shard whose file holds the answers of a sample; empty without shards.

    A run that was continued without shards, or with another number of them, has no open shards.
    """
    if (records.run.path / "answers.jsonl").exists():
        return {}
    shards: dict[str, Shard] = {}
    for file in sorted(records.run.path.glob("answers.*.jsonl")):
        if (match := _SHARD_FILE.fullmatch(file.name)) is None:
            return {}
        shard = Shard(int(match[1]), int(match[2]))
        answers = reading.ANSWERS.read(file, records.run.all_samples, records.run.damage)
        shards |= {answer.sample: shard for answer in answers}
    return shards
