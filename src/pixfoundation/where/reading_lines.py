"""The lines of `readings.jsonl`: what each reading gave for each answer of a run."""

from __future__ import annotations

import json
from typing import Any

from msgspec import Struct

from pixfoundation.runs.reading import RecordKind, sample_of
from pixfoundation.runs.store import RunDirectory
from pixfoundation.stored import ProtocolNumber
from pixfoundation.typed_json import decode

STEM = "readings"


class ReadingLine(Struct, frozen=True):
    """What one reading gives for one answer.

    Attributes:
        sample: Id of the sample.
        protocol: Protocol of the answer.
        reading: Name of the reading.
        settings: Its options.
        segmenter: Name of the segmenter; None if none drew masks.
        measures: The measures by name; None where one is not defined.
        chance: What chance gives for each of them; None where it is not known.
        seconds: Time of this reading's own work, without the pass that all share.
        shared: Time of that pass, without the work of the readings.
    """

    sample: str
    protocol: ProtocolNumber
    reading: str
    settings: dict[str, Any]
    segmenter: str | None
    measures: dict[str, float | None]
    chance: dict[str, float | None]
    seconds: float
    shared: float

    @property
    def key(self) -> tuple[str, int, str, str, str | None]:
        """What may be measured once."""
        settings = json.dumps(self.settings, sort_keys=True)
        return (self.sample, self.protocol, self.reading, settings, self.segmenter)


LINES = RecordKind[ReadingLine](STEM, lambda text: decode(text, ReadingLine), sample_of)


def stored_lines(run: RunDirectory) -> list[ReadingLine]:
    """Return the lines that a run holds; those that are damaged are named and left out."""
    return list(LINES.read(run.path / f"{STEM}.jsonl", run.samples, run.damage))
