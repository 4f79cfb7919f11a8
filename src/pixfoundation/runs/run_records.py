"""The records of a run, parsed once for everything that reads them.

Scoring, the emergence analysis, the report and judging look at the same files. A command makes one
`RunRecords` per run and passes it on, so that each file is parsed at most once, and only if it is
needed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

from pixfoundation.errors import RunError
from pixfoundation.runs.records import (
    AnswerRecord,
    CandidateRecord,
    DeletionRecord,
    Key,
    VerdictRecord,
)
from pixfoundation.runs.store import RunDirectory
from pixfoundation.types import PROTOCOLS, Candidate, Protocol, Sample

if TYPE_CHECKING:  # most runs have no variants
    from pixfoundation.variants import Variant

Record = TypeVar("Record")


class _ParsedFiles:
    """The files of one run directory, each parsed when it is first asked for."""

    def __init__(self, run: RunDirectory) -> None:
        self._run = run

    @cached_property
    def answers(self) -> Mapping[Key, AnswerRecord]:
        return self._run.answers()

    @cached_property
    def candidates(self) -> Mapping[Key, CandidateRecord]:
        return self._run.candidates()

    @cached_property
    def verdicts(self) -> Sequence[VerdictRecord]:
        """The verdicts, without picks of masks that their answers do not have."""
        verdicts = self._run.verdicts()
        kept = [verdict for verdict in verdicts if not self._picks_nothing(verdict)]
        if dropped := len(verdicts) - len(kept):
            self._run.damage.note_all(
                f"{self._run.path / 'verdicts.jsonl'}: {dropped} "
                f"{'pick was' if dropped == 1 else 'picks were'} skipped, of masks that the "
                "answer does not have."
            )
        return kept

    def _picks_nothing(self, verdict: VerdictRecord) -> bool:
        if verdict.kind != "pick" or verdict.value is None:
            return False
        record = self.candidates.get(verdict.key)
        return record is not None and cast("int", verdict.value) >= len(record.candidates)

    @cached_property
    def deletions(self) -> Mapping[str, DeletionRecord]:
        return self._run.deletions()


class _FilesOfSamples:
    """The records of the samples as they are, without those of their variants."""

    def __init__(self, files: _ParsedFiles, run: RunDirectory) -> None:
        self.files, self._run = files, run

    @cached_property
    def answers(self) -> Mapping[Key, AnswerRecord]:
        return self._own(self.files.answers)

    @cached_property
    def candidates(self) -> Mapping[Key, CandidateRecord]:
        return self._own(self.files.candidates)

    @cached_property
    def verdicts(self) -> Sequence[VerdictRecord]:
        known = self._run.samples
        return [verdict for verdict in self.files.verdicts if verdict.sample in known]

    @property
    def deletions(self) -> Mapping[str, DeletionRecord]:
        return self.files.deletions

    def _own(self, records: Mapping[Key, Record]) -> Mapping[Key, Record]:
        if not self._run.varied:
            return records
        return {key: record for key, record in records.items() if key[0] in self._run.samples}


class _FilesOfVariant:
    """The records of one variant, under the ids of its samples.

    Under protocols that the variant does not change, these are the records of the samples
    themselves.
    """

    def __init__(self, files: _ParsedFiles, variant: Variant, bases: Mapping[str, str]) -> None:
        """Take the records of a run.

        Args:
            files: The records.
            variant: The variant.
            bases: Id of the sample that it is a variant of, by the id of the variant's records.
        """
        from pixfoundation.variants.plan import protocols_of

        self._files, self._bases = files, bases
        self._changed = frozenset(protocols_of(variant.kind))

    def _own(self, records: Mapping[Key, Record]) -> dict[Key, Record]:
        own: dict[Key, Record] = {}
        for id, base in self._bases.items():
            for protocol in PROTOCOLS:
                source = (id if protocol in self._changed else base, protocol)
                if source in records:
                    own[id, protocol] = records[source]
        return own

    @cached_property
    def answers(self) -> Mapping[Key, AnswerRecord]:
        own = self._own(self._files.answers)
        return {key: replace(record, sample=key[0]) for key, record in own.items()}

    @cached_property
    def candidates(self) -> Mapping[Key, CandidateRecord]:
        own = self._own(self._files.candidates)
        return {key: replace(record, sample=key[0]) for key, record in own.items()}

    @cached_property
    def verdicts(self) -> Sequence[VerdictRecord]:
        ids = {base: id for id, base in self._bases.items()}
        own: list[VerdictRecord] = []
        for verdict in self._files.verdicts:
            if verdict.protocol in self._changed:
                if verdict.sample in self._bases:
                    own.append(verdict)
            elif verdict.sample in ids:
                own.append(replace(verdict, sample=ids[verdict.sample]))
        return own

    @cached_property
    def deletions(self) -> Mapping[str, DeletionRecord]:
        return {}


class RunRecords:
    """What a run directory holds, as it was when each file was first read.

    Attributes:
        run: The run directory.
        samples: The samples that are looked at, in order.
    """

    def __init__(self, run: RunDirectory, samples: Sequence[Sample] | None = None) -> None:
        """Take a run directory; nothing is parsed yet.

        Args:
            run: The run directory.
            samples: The samples to look at, in order; None for all of the run.
        """
        self.run = run
        self.samples = tuple(run.samples.values() if samples is None else samples)
        self._files: _ParsedFiles | _FilesOfSamples | _FilesOfVariant = _FilesOfSamples(
            _ParsedFiles(run), run
        )

    @classmethod
    def of(
        cls,
        run: RunRecords | RunDirectory | Path | str,
        only: Sequence[str] | None = None,
        *,
        data_root: Path | str | None = None,
    ) -> RunRecords:
        """Return the records of a run; those of a `RunRecords` are shared and not parsed again.

        Args:
            run: The run directory, or its records.
            only: Ids of the samples to look at, in that order; None for all.
            data_root: The dataset's folder, if it has moved since the run, for which records at
                hand are read again; None to look for the images as `run` does.

        Raises:
            RunError: If there is no run directory, or its samples cannot be read.
        """
        if data_root is not None:
            at_hand = run.run if isinstance(run, RunRecords) else run
            path = at_hand.path if isinstance(at_hand, RunDirectory) else at_hand
            run = RunDirectory(path, data_root)
        if isinstance(run, RunRecords):
            records = run
        else:
            records = cls(run if isinstance(run, RunDirectory) else RunDirectory(run))
        return records if only is None else records.restricted_to(only)

    def restricted_to(self, ids: Sequence[str]) -> RunRecords:
        """Return the same records over the samples with these ids, in that order.

        Raises:
            RunError: If the run has no such sample.
        """
        if unknown := [id for id in ids if id not in self.run.samples]:
            raise RunError(
                f"{self.run.path} has no sample {unknown[0]!r}; `only` takes ids of its samples."
            )
        restricted = RunRecords(self.run, [self.run.samples[id] for id in ids])
        restricted._files = self._files
        return restricted

    def variants(self) -> list[Variant]:
        """Return the variants of the run, in order."""
        return list(dict.fromkeys(varied.variant for varied in self.run.varied.values()))

    def at(self, variant: Variant) -> RunRecords:
        """Return the records of one variant, over the samples that have it.

        The samples carry the ids of their records. What the variant does not change, such as
        protocol 3 under a variant of the question, is taken from the samples themselves.
        """
        from pixfoundation.runs.variants import variant_id

        ids = {sample.id: variant_id(sample.id, variant) for sample in self.samples}
        present = {base: id for base, id in ids.items() if id in self.run.varied}
        own = RunRecords(self.run, [self.run.varied[id].sample for id in present.values()])
        if not isinstance(self._files, _FilesOfSamples):
            raise ValueError("Take a variant of the records of the samples as they are.")
        own._files = _FilesOfVariant(
            self._files.files, variant, {id: base for base, id in present.items()}
        )
        return own

    def with_variants(self) -> RunRecords:
        """Return the records of the samples and of all their variants together."""
        own = RunRecords(self.run, list(self.run.all_samples.values()))
        if isinstance(self._files, _FilesOfSamples):
            own._files = self._files.files
        return own

    @property
    def answers(self) -> Mapping[Key, AnswerRecord]:
        """All answers of the run by sample and protocol."""
        return self._files.answers

    @property
    def candidates(self) -> Mapping[Key, CandidateRecord]:
        """All candidates of the run by sample and protocol."""
        return self._files.candidates

    @property
    def verdicts(self) -> Sequence[VerdictRecord]:
        """All verdicts in the order written."""
        return self._files.verdicts

    @property
    def deletions(self) -> Mapping[str, DeletionRecord]:
        """The answers to covered images by sample."""
        return self._files.deletions

    def failures(self) -> tuple[tuple[str, Protocol, str], ...]:
        """Return sample, protocol and reason of each failure.

        Where both answer and candidates failed, the reason is that of the answer.
        """
        answers = [
            record for group in by_protocol(self.answers).values() for record in group.values()
        ]
        failed: dict[Key, str] = {}
        for record in (*answers, *self.candidates.values()):
            if record.error is not None:
                failed.setdefault(record.key, record.error)
        return tuple((sample, protocol, reason) for (sample, protocol), reason in failed.items())


def by_protocol(records: Mapping[Key, Record]) -> dict[Protocol, dict[str, Record]]:
    """Sort records by protocol, then by sample in the order written."""
    groups: dict[Protocol, dict[str, Record]] = {}
    for (sample, protocol), record in sorted(records.items(), key=lambda item: item[0][1]):
        groups.setdefault(protocol, {})[sample] = record
    return groups


def by_prompt(candidates: Sequence[Candidate]) -> list[tuple[Candidate, ...]]:
    """Return the prompt groups: the neighbouring masks that share one segmenter prompt.

    The masks of one prompt are stored together with rising `index`, under the same phrase, point
    and box. A group therefore ends where one of these changes or where the index does not rise;
    that its first mask has index 0 is not assumed, since a file may lack that mask.
    """
    groups: list[list[Candidate]] = []
    for candidate in candidates:
        if groups and _same_prompt(groups[-1][-1], candidate):
            groups[-1].append(candidate)
        else:
            groups.append([candidate])
    return [tuple(group) for group in groups]


def _same_prompt(before: Candidate, after: Candidate) -> bool:
    return (
        after.index > before.index
        and after.phrase == before.phrase
        and after.point == before.point
        and after.box == before.box
    )
