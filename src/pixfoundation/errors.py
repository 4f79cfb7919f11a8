"""Errors that a user can act on: they name what was expected, what was found and what to do.

The command line prints the message of a `PixFoundationError` without a traceback. Any other
exception is a bug in PixFoundation and keeps its traceback.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class PixFoundationError(Exception):
    """Base class of all errors caused by the input or the environment."""


class PrerequisiteError(PixFoundationError):
    """A package, a weight file or a data file is missing; the message holds the remedy."""


class DataError(PixFoundationError):
    """An image, an annotation or a table is missing, damaged or inconsistent."""


class CheckpointError(PixFoundationError):
    """A model folder is incomplete, truncated or in another layout than expected."""


class RunError(PixFoundationError):
    """A run directory cannot be used: other configuration, locked by a process, not writable."""


class UnavailableError(PixFoundationError):
    """A model can answer no question at all, such as a worker that cannot be started."""


class JudgeError(PixFoundationError):
    """A judge cannot be reached or refuses a request."""


class UnknownNameError(PixFoundationError):
    """A name is not registered; the message lists near matches and all registered names."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        """Build the message.

        Args:
            kind: The kind of thing that was looked up, in the singular: 'model', 'segmenter'.
            name: The unknown name.
            known: All known names.
        """
        names = sorted(known)
        near = get_close_matches(name, names, n=3, cutoff=0.5)
        hint = f"Did you mean {' or '.join(repr(n) for n in near)}? " if near else ""
        super().__init__(f"Unknown {kind} {name!r}. {hint}Known: {', '.join(names) or 'none'}.")


def missing_package(package: str, feature: str, extra: str) -> PrerequisiteError:
    """Return the error for an optional package that is not installed.

    Args:
        package: Import name of the missing package.
        feature: The feature that needs it, as the subject of a sentence: "Loading a model".
        extra: The extra of pixfoundation that installs it.
    """
    return PrerequisiteError(
        f"{feature} needs the package {package!r}, which is not installed. "
        f"Install it with: pip install 'pixfoundation[{extra}]'"
    )
