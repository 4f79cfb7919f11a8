"""What the parser says of phrases, kept in the run: to look at a run again needs no spaCy.

The file `phrases.json` of a run directory holds the concept label by rules of every phrase, and the
head word of every referring expression. It is written at the end of a run, or at the first
analysis, and is valid for one pipeline; what is missing or does not fit is computed anew.
"""

from __future__ import annotations

import contextlib
import json
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from pixfoundation.emergence.concepts import CONCEPTS, label_by_rules
from pixfoundation.errors import PrerequisiteError, RunError
from pixfoundation.phrases import head_word, pipeline_name
from pixfoundation.runs.jsonl import write_json
from pixfoundation.types import Phrase

FILE = "phrases.json"


class PhraseFacts:
    """The labels of phrases and the head words of expressions of one run."""

    def __init__(self, folder: Path) -> None:
        """Read what the run directory holds.

        Args:
            folder: The run directory.
        """
        self._file = folder / FILE
        self._labels: dict[str, str] = {}
        self._heads: dict[str, str] = {}
        self._grew = False
        stored = _read(self._file)
        try:
            self._pipeline: str | None = pipeline_name()
        except PrerequisiteError:
            self._pipeline = None  # what the file holds is all there is
        if self._pipeline in (None, stored.get("pipeline")):
            self._labels = _texts(stored.get("labels"))
            self._heads = _texts(stored.get("heads"))

    def labels(self, text: str, phrases: Sequence[Phrase]) -> list[str]:
        """Return the concept letter of each phrase of an answer, see `label_by_rules`.

        Raises:
            PrerequisiteError: If the file lacks them, and no spaCy pipeline is installed.
        """
        spans = ",".join(f"{start}-{end}" for start, end in (phrase.span for phrase in phrases))
        key = f"{zlib.crc32(text.encode('utf-8', 'surrogatepass')):08x} {spans}"
        letters = self._labels.get(key, "")
        if len(letters) != len(phrases) or not set(letters) <= set(CONCEPTS):
            letters = self._labels[key] = "".join(label_by_rules(text, phrases))
            self._grew = True
        return list(letters)

    def head(self, expression: str) -> str:
        """Return the root word of the first noun phrase of an expression, see `head_word`.

        Raises:
            PrerequisiteError: If the file lacks it, and no spaCy pipeline is installed.
        """
        if expression not in self._heads:
            self._heads[expression] = head_word(expression)
            self._grew = True
        return self._heads[expression]

    def save(self) -> None:
        """Write what is new; a run directory that cannot be written stays as it is."""
        if self._grew:
            with contextlib.suppress(OSError, RunError, ValueError):
                write_json(
                    self._file,
                    {"pipeline": self._pipeline, "labels": self._labels, "heads": self._heads},
                )
                self._grew = False


def _read(file: Path) -> dict[str, Any]:
    try:
        stored = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return cast("dict[str, Any]", stored) if isinstance(stored, dict) else {}


def _texts(value: object) -> dict[str, str]:
    """Return the entries of a stored mapping whose values are texts."""
    if not isinstance(value, dict):
        return {}
    entries = cast("dict[str, object]", value).items()
    return {key: text for key, text in entries if isinstance(text, str)}
