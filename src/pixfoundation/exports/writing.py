"""`export`: write a run by the name of an exporter."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pixfoundation.errors import RunError
from pixfoundation.exports.base import Exported, ExportedRun, Exporter, exporters
from pixfoundation.exports.folder import replacing
from pixfoundation.runs.run_records import RunRecords
from pixfoundation.typed_options import read_options

FOLDER = "exports"
"""Folder of a run directory in which exports lie unless another place is named."""


def load_exporter(form: str, options: Mapping[str, Any] | None = None) -> Exporter:
    """Return an exporter by name.

    Raises:
        UnknownNameError: If there is no such exporter.
        DataError: If it does not take one of the options.
    """
    factory = exporters.get(form)
    return factory(**read_options(f"The exporter {form!r}", factory, options or {}))


def export(
    form: str,
    run: ExportedRun | RunRecords | Path | str,
    out: Path | str | None = None,
    options: Mapping[str, Any] | None = None,
) -> Exported:
    """Write a run in the form that another tool reads.

    Args:
        form: A name from `pixfoundation exporters`.
        run: The run directory; an `ExportedRun` if it is to be scored with options.
        out: The file or folder to write; None for the folder `exports` of the run. What the last
            export wrote into the folder makes way; other files in it stay.
        options: Options of the exporter.

    Returns:
        What was made.

    Raises:
        UnknownNameError: If there is no such exporter.
        DataError: If it does not take one of the options, or the run lacks what the form needs.
        PrerequisiteError: If a package is missing.
        RunError: If the run cannot be read, or the target not be written.
    """
    entry = exporters.entry(form)
    exporter = load_exporter(form, options)
    run = ExportedRun.of(run)
    target = Path(out) if out is not None else _default(run, form, entry.details.get("writes", ""))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if entry.details.get("writes") != "folder":
            return exporter.write(run, target)
        with replacing(target):
            return exporter.write(run, target)
    except OSError as error:
        raise RunError(f"{target} cannot be written: {error.strerror or error}.") from error


def _default(run: ExportedRun, form: str, writes: str) -> Path:
    suffix = writes if writes.startswith(".") else ""
    return run.records.run.path / FOLDER / f"{form}{suffix}"
