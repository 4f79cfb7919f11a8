"""What a check found: whether all is well, in plain words, and what to do if it is not."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from pixfoundation.errors import PixFoundationError
from pixfoundation.failures import describe, is_out_of_memory, release_memory


class Status(StrEnum):
    """What a check says."""

    FINE = "fine"
    WARNING = "warning"  # numbers may be right, but look at this
    WRONG = "wrong"  # numbers would be wrong, or nothing runs
    SKIPPED = "skipped"  # the check could not be made


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check.

    Attributes:
        check: Name of the check.
        status: What it says.
        words: What was found, in a sentence.
        remedy: What to do, in a sentence; empty if nothing is to be done.
        figures: The numbers behind it, by name.
    """

    check: str
    status: Status
    words: str
    remedy: str = ""
    figures: Mapping[str, float | int | str | None] | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the finding as plain JSON data."""
        return {
            "check": self.check,
            "status": self.status.value,
            "words": self.words,
            "remedy": self.remedy or None,
            "figures": dict(self.figures or {}),
        }


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """All findings.

    Attributes:
        facts: Versions and hardware.
        findings: What the checks found, in their order.
    """

    facts: Mapping[str, Any]
    findings: tuple[Finding, ...]

    @property
    def healthy(self) -> bool:
        """Whether no check says that something is wrong."""
        return not any(finding.status is Status.WRONG for finding in self.findings)

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain JSON data, to be pasted into an issue."""
        return {
            "healthy": self.healthy,
            "facts": dict(self.facts),
            "findings": [finding.to_json() for finding in self.findings],
        }


def check(name: str, look: Callable[[], Finding]) -> Finding:
    """Make a check; what it raises is a finding, too.

    Args:
        name: Name of the check.
        look: Makes the check.
    """
    try:
        return look()
    except Exception as error:  # of a model or segmenter from anywhere
        return failure(name, error)


def failure(name: str, error: Exception) -> Finding:
    """Return what an error says about a check, and free what the failed call left behind.

    Args:
        name: Name of the check.
        error: What it raised.
    """
    if isinstance(error, PixFoundationError):
        return Finding(name, Status.WRONG, str(error))
    memory = is_out_of_memory(error)
    words, place = describe(error), _place(error)
    release_memory(error)
    if memory:
        remedy = "Free memory, or choose another --device, --dtype or --quantization."
        return Finding(name, Status.WRONG, f"Memory ran out: {words}", remedy)
    remedy = "Paste the output of `pixfoundation doctor --json` into an issue."
    return Finding(name, Status.WRONG, f"It failed: {words}", remedy, {"place": place})


def _place(error: Exception) -> str:
    """Return the file and line in which an error was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
