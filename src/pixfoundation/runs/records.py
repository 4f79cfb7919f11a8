"""The lines of a run directory: answers, candidates and verdicts, one record per line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from msgspec.structs import asdict

from pixfoundation.runs.lines import (
    CONCEPT_LETTERS,
    StoredAnswer,
    StoredCandidates,
    StoredDeletion,
    StoredVerdict,
    VerdictKind,
    VerdictValue,
)
from pixfoundation.typed_json import UnreadableError, convert
from pixfoundation.types import Candidate, Ended, Protocol

Key = tuple[str, Protocol]
"""Sample id and protocol of one answer."""


@dataclass(frozen=True, slots=True)
class OfAnswer:
    """A record about one answer.

    Attributes:
        sample: Id of the sample.
        protocol: 1, 2 or 3.
    """

    sample: str
    protocol: Protocol

    @property
    def key(self) -> Key:
        """Sample id and protocol."""
        return (self.sample, self.protocol)


@dataclass(frozen=True, slots=True)
class AnswerRecord(OfAnswer):
    """One line of `answers.jsonl`.

    Attributes:
        prompt: The text that the model got.
        text: Its answer alone, without thoughts; empty if it failed.
        token_ids: Ids of the generated tokens, those of the thoughts included.
        spans: Their [start, end) characters in the answer; empty for tokens of the thoughts.
        masks: Number of native masks: 0 is 'no mask'; None if the model does not output masks.
        error: Why there is no answer, in one sentence; None if there is one.
        thoughts: What the model thought before or around its answer; empty if it shows nothing.
        ended: Why the answer ended; None if it is not known. `stop` is not written to disk.
        doubtful: Number of regions whose coordinates do not fit the frame that they are read in.
        left_out: Number of coordinates that cannot be read, such as numbers without end.
    """

    prompt: str
    text: str = ""
    token_ids: tuple[int, ...] = ()
    spans: tuple[tuple[int, int], ...] = ()
    masks: int | None = None
    error: str | None = None
    thoughts: str = ""
    ended: Ended | None = None
    doubtful: int = 0
    left_out: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return the record as plain JSON data."""
        return {
            "sample": self.sample,
            "protocol": self.protocol,
            "prompt": self.prompt,
            "text": self.text,
            "token_ids": list(self.token_ids),
            "spans": [list(span) for span in self.spans],
            **_given(
                masks=self.masks,
                error=self.error,
                thoughts=self.thoughts or None,
                ended=None if self.ended is Ended.STOP else self.ended,
                doubtful=self.doubtful or None,
                left_out=self.left_out or None,
            ),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> AnswerRecord:
        """Read what `to_json` wrote; raises DataError if it is not."""
        return cls.from_stored(convert(data, StoredAnswer))

    @classmethod
    def from_stored(cls, data: StoredAnswer) -> AnswerRecord:
        """Return the record of a line."""
        return cls(**asdict(data))


@dataclass(frozen=True, slots=True)
class CandidateRecord(OfAnswer):
    """One line of `candidates.jsonl`.

    Attributes:
        candidates: The masks that the answer offers, in the order of its phrases, the segmenter's
            masks of one prompt together.
        random: The chance level: the segmenter's masks at as many uniformly random points of the
            image as the answer gave prompts (at least one), in the same order.
        error: Why there are no candidates, in one sentence; None if grounding went well, even if
            it gave no candidate.
    """

    candidates: tuple[Candidate, ...] = ()
    random: tuple[Candidate, ...] = ()
    error: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the record as plain JSON data."""
        return {
            "sample": self.sample,
            "protocol": self.protocol,
            "candidates": [candidate.to_json() for candidate in self.candidates],
            "random": [candidate.to_json() for candidate in self.random],
            **_given(error=self.error),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> CandidateRecord:
        """Read what `to_json` wrote, except that run lengths are not checked.

        Raises:
            DataError: If it is not.
        """
        return cls.from_stored(convert(data, StoredCandidates))

    @classmethod
    def from_stored(cls, data: StoredCandidates) -> CandidateRecord:
        """Return the record of a line; the run lengths of its masks are not checked.

        Raises:
            DataError: If the fields contradict each other.
        """
        return cls(
            data.sample,
            data.protocol,
            tuple(map(Candidate.from_stored, data.candidates)),
            tuple(map(Candidate.from_stored, data.random)),
            data.error,
        )


@dataclass(frozen=True, slots=True)
class DeletionRecord:
    """One line of `deletions.jsonl`: what a model answers when a part of the image is blank.

    Attributes:
        sample: Id of the sample.
        phrase: The phrase whose attention was covered.
        deleted: The covered (x0, y0, x1, y1) around its point, in whole pixels.
        control: As large a box at a random place.
        answers: To protocol 2, of the whole image, with `deleted` and with `control` covered.
    """

    sample: str
    phrase: str
    deleted: tuple[int, int, int, int]
    control: tuple[int, int, int, int]
    answers: tuple[str, str, str]

    def to_json(self) -> dict[str, Any]:
        """Return the record as plain JSON data."""
        return {
            "sample": self.sample,
            "phrase": self.phrase,
            "deleted": list(self.deleted),
            "control": list(self.control),
            "answers": list(self.answers),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> DeletionRecord:
        """Read what `to_json` wrote; raises DataError if it is not."""
        return cls.from_stored(convert(data, StoredDeletion))

    @classmethod
    def from_stored(cls, data: StoredDeletion) -> DeletionRecord:
        """Return the record of a line; raises DataError if a box has no inside."""
        for name, (x0, y0, x1, y1) in (("deleted", data.deleted), ("control", data.control)):
            if not (x0 < x1 and y0 < y1):
                raise UnreadableError(name, f"the box {x0, y0, x1, y1} has no inside")
        return cls(**asdict(data))


RULES = "rules"
"""Author of grades and concept labels that rules give, without a judge."""
IMPORTED = "imported"
"""Author of imported verdicts; the run's imports.json says which files they are from."""


@dataclass(frozen=True, slots=True)
class VerdictRecord(OfAnswer):
    """One line of `verdicts.jsonl`: what a judge said about one answer.

    Attributes:
        kind: `grade` (is the answer right), `presence` (is the object in the image), `pick` (which
            candidate), `concept` (what kind of phrase).
        judge: The judge's name and version.
        value: true or false for `grade` and `presence`; the candidate's index, or null for 'none
            of them', for `pick`; a list of letters for `concept`.
        valid: Whether the judge answered what was asked; if not, `value` is null ('no verdict').
        reply: What it said, word for word.
        phrase: Which phrase of the answer a `concept` is of; None for other kinds.
        deduplicated: Number of masks that were not shown for a `pick`, since near-equal ones were.
        reason: Why there is no verdict; empty if there is one, or the reason is not known.
    """

    kind: VerdictKind
    judge: str
    value: VerdictValue
    valid: bool = True
    reply: str = ""
    phrase: str | None = None
    deduplicated: int = 0
    reason: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the record as plain JSON data."""
        return {
            "sample": self.sample,
            "protocol": self.protocol,
            "kind": self.kind,
            "judge": self.judge,
            "value": self.value,
            "valid": self.valid,
            "reply": self.reply,
            **_given(
                phrase=self.phrase,
                spared=self.deduplicated or None,
                reason=self.reason or None,
            ),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> VerdictRecord:
        """Read what `to_json` wrote; raises DataError if it is not."""
        return cls.from_stored(convert(data, StoredVerdict))

    @classmethod
    def from_stored(cls, data: StoredVerdict) -> VerdictRecord:
        """Return the record of a line; raises DataError if its kind has no such value."""
        return cls(
            data.sample,
            data.protocol,
            data.kind,
            data.judge,
            _verdict_value(data.kind, data.value),
            data.valid,
            data.reply,
            data.phrase,
            data.deduplicated,
            data.reason,
        )


def _verdict_value(kind: VerdictKind, value: VerdictValue) -> VerdictValue:
    """Return the value of a verdict; raises DataError if verdicts of this kind have no such."""
    if kind in ("grade", "presence"):
        expected, fits = "true, false or null", isinstance(value, bool)
    elif kind == "pick":
        expected, fits = "the index of a candidate, or null", type(value) is int and value >= 0
    else:
        expected = f"a list of letters from {CONCEPT_LETTERS[0]} to {CONCEPT_LETTERS[-1]}, or null"
        fits = isinstance(value, list) and all(
            len(letter) == 1 and letter in CONCEPT_LETTERS for letter in value
        )
    if value is not None and not fits:
        raise UnreadableError("value", f"expected {expected} for {kind!r}, but found {value!r}")
    return value


def _given(**fields: Any) -> dict[str, Any]:
    """Return the fields that have a value; the others are not written."""
    return {name: value for name, value in fields.items() if value is not None}
