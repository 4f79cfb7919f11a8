"""Errors that a person can act on: what was expected, what was found, what to do next.

The command line prints the message of a `PixFoundationError` without a traceback; anything else is
a bug in PixFoundation and keeps its traceback.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class PixFoundationError(Exception):
    """Base of all errors that are the input's or the environment's fault, not the code's."""


class PrerequisiteError(PixFoundationError):
    """A package, a weight file or a data file is missing; the message holds the remedy."""


class DataError(PixFoundationError):
    """An image, an annotation or a table is missing, damaged or inconsistent."""


class CheckpointError(PixFoundationError):
    """A model folder is incomplete, truncated, or not of the layout that was expected."""


class RunError(PixFoundationError):
    """A run directory cannot be used: changed configuration, held by a process, not writable."""


class JudgeError(PixFoundationError):
    """A judge could not be reached, or refuses to work."""


class UnknownNameError(PixFoundationError):
    """A name that is in no registry; the message lists near matches and everything known."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        """Build the message.

        Args:
            kind: What was looked up, in the singular: 'model', 'data set', 'segmenter'.
            name: The name that is not known.
            known: All names that are.
        """
        names = sorted(known)
        near = get_close_matches(name, names, n=3, cutoff=0.5)
        hint = f"Did you mean {' or '.join(repr(n) for n in near)}? " if near else ""
        super().__init__(f"Unknown {kind} {name!r}. {hint}Known: {', '.join(names) or 'none'}.")


def missing_package(package: str, feature: str, extra: str) -> PrerequisiteError:
    """Return the error for an optional package that is not installed.

    Args:
        package: Import name of what is missing.
        feature: What needs it, as the subject of a sentence.
        extra: The extra of this package that brings it.
    """
    return PrerequisiteError(
        f"{feature} needs the package {package!r}, which is not installed. "
        f"Install it with: pip install 'pixfoundation[{extra}]'"
    )
