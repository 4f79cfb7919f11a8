"""What the lines of a run directory look like: the types that reading holds them to.

The order of the fields is that in which `runs.records` writes them. A field with a default is left
out where it has that value.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct, field

from pixfoundation.stored import ProtocolNumber, StoredCandidate, Whole
from pixfoundation.types import Ended

VerdictKind = Literal["grade", "presence", "pick", "concept"]
VerdictValue = bool | int | list[str] | None
"""What a verdict says: true or false, the index of a candidate, or letters of concepts."""
CONCEPT_LETTERS = "abcdef"
"""The letters of concepts, see `emergence.concepts`."""


class StoredAnswer(Struct, frozen=True, gc=False, omit_defaults=True):
    """A line of `answers.jsonl`."""

    sample: str
    protocol: ProtocolNumber
    prompt: str
    text: str
    token_ids: tuple[Whole, ...]
    spans: tuple[tuple[Whole, Whole], ...]
    masks: Whole | None = None
    error: str | None = None
    thoughts: str = ""
    ended: Ended | None = None
    doubtful: Whole = 0
    left_out: Whole = 0


class StoredCandidates(Struct, frozen=True, gc=False, omit_defaults=True):
    """A line of `candidates.jsonl`."""

    sample: str
    protocol: ProtocolNumber
    candidates: tuple[StoredCandidate, ...]
    random: tuple[StoredCandidate, ...]
    error: str | None = None


class StoredVerdict(Struct, frozen=True, gc=False, omit_defaults=True):
    """A line of `verdicts.jsonl`."""

    sample: str
    protocol: ProtocolNumber
    kind: VerdictKind
    judge: str
    value: bool | int | list[str] | None
    valid: bool
    reply: str
    phrase: str | None = None
    deduplicated: Whole = field(default=0, name="spared")
    reason: str = ""


class StoredDeletion(Struct, frozen=True, gc=False):
    """A line of `deletions.jsonl`; the boxes are in whole pixels."""

    sample: str
    phrase: str
    deleted: tuple[Whole, Whole, Whole, Whole]
    control: tuple[Whole, Whole, Whole, Whole]
    answers: tuple[str, str, str]
