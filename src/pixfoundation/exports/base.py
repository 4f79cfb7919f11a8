"""The interface of exporters, and the registry in which they are found by name.

An exporter is a frozen dataclass whose keyword-only fields are its options, registered under the
name that `pixfoundation export NAME` takes. It sees a run as `ExportedRun`: every answer with its
sample, image, verdict, candidates and selected mask. What only the exporter's own library can do
is imported inside `write`, so that listing the exporters loads nothing heavy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pixfoundation.exports.view import ExportedAnswer, ExportedRun
from pixfoundation.registry import Registry

__all__ = ["Exported", "ExportedAnswer", "ExportedRun", "Exporter", "ExporterFactory", "exporters"]

FEATURE = "This export"
"""What needs a package, as the subject of the message that it is missing."""


@dataclass(frozen=True, slots=True)
class Exported:
    """What an exporter made.

    Attributes:
        summary: What was made and how it is opened, in one or two sentences.
        files: The files and folders that were written; empty if everything went elsewhere.
    """

    summary: str
    files: tuple[Path, ...] = ()


class Exporter(Protocol):
    """Writes a run in the form that another tool reads."""

    def write(self, run: ExportedRun, out: Path) -> Exported:
        """Write the run.

        Args:
            run: The run.
            out: The file or folder to write; its parent exists.

        Returns:
            What was made.

        Raises:
            DataError: If the run lacks what the form needs.
            PrerequisiteError: If a package is missing.
        """
        ...


ExporterFactory = Callable[..., Exporter]
"""`factory(**options) -> Exporter`; the options are keyword-only, with annotations."""

exporters: Registry[ExporterFactory] = Registry("exporter", group="pixfoundation.exporters")
"""The registered exporters. The detail `writes` is the suffix of the file, or `folder`."""
