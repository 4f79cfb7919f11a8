"""`track`: record a run by the name of a tracker."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

from pixfoundation.errors import PixFoundationError, RunError
from pixfoundation.exports.view import ExportedRun
from pixfoundation.report.run_pictures import write_run_pictures
from pixfoundation.report.run_settings import settings_for_others
from pixfoundation.runs.run_records import RunRecords
from pixfoundation.scoring.scores import Scores
from pixfoundation.trackers.base import TrackedRun, Tracker, trackers
from pixfoundation.typed_options import read_options

PROJECT = "pixfoundation"
"""The project of runs for which none is named."""
_LONGEST = 500
"""Characters of a setting; MLflow takes no more of a parameter."""


def load_tracker(name: str, options: Mapping[str, Any] | None = None) -> Tracker:
    """Return a tracker by name.

    Raises:
        UnknownNameError: If there is no such tracker.
        DataError: If it does not take one of the options.
    """
    factory = trackers.get(name)
    return factory(**read_options(f"The tracker {name!r}", factory, options or {}))


def track(
    run: ExportedRun | RunRecords | Path | str,
    tracker: Tracker | str,
    project: str = PROJECT,
    *,
    name: str | None = None,
    pictures: bool = True,
    options: Mapping[str, Any] | None = None,
) -> str:
    """Record the scores and figures of a run in an experiment tracker, as a new run there.

    Args:
        run: The run directory; an `ExportedRun` if it is to be scored with options.
        tracker: A tracker, or a name from `pixfoundation trackers`.
        project: Name of the project, or of the experiment.
        name: Name of the run in the tracker; that of the run directory by default.
        pictures: Whether figures are drawn and recorded.
        options: Options of the tracker, if it is given by name.

    Returns:
        Where the run is in the tracker.

    Raises:
        UnknownNameError: If there is no such tracker.
        DataError: If it does not take one of the options.
        PrerequisiteError: If a package is missing.
        RunError: If the run cannot be read, or the tracker refuses it.
    """
    client = load_tracker(tracker, options) if isinstance(tracker, str) else tracker
    run = ExportedRun.of(run)
    with TemporaryDirectory(prefix="pixfoundation-") as folder:
        tracked = TrackedRun(
            name or run.name,
            _settings(run),
            dict(numbers(run.scores)),
            write_run_pictures(run.records, Path(folder), run.conventions.emergence)
            if pictures
            else {},
        )
        try:
            return client.record(tracked, project)
        except PixFoundationError:
            raise
        except Exception as error:  # whatever a client of any tracker raises
            reason = str(error).strip().splitlines()
            raise RunError(
                f"The tracker refused {run.name}: {reason[0] if reason else repr(error)}"
            ) from error


def numbers(scores: Scores) -> Iterator[tuple[str, float]]:
    """Yield every figure of a run by name, see `TrackedRun`; those without a value are left out."""
    lead = scores.lead.to_json()
    for name, bounds in lead["intervals"].items():
        if lead[name] is not None:
            yield f"score/{name}", lead[name]
            yield from _bounds(name, bounds)
    for selector, line in scores.paired.items():
        own = line.to_json()
        for name in own["intervals"]:
            if own[name] is not None:
                yield f"{selector}/{name}", own[name]
    for table in (scores.referring, scores.boxes):
        for (protocol, selector), measured in table.items():
            for name, value, bounds in _figures(f"protocol{protocol}", measured.to_json()):
                yield f"{selector}/{name}", value
                if selector == scores.selector:
                    yield f"score/{name}", value
                    yield from _bounds(name, bounds)
    yield "count/samples", len(scores.samples)
    yield "count/failed", len(scores.failed)


def _bounds(name: str, bounds: Sequence[float] | None) -> Iterator[tuple[str, float]]:
    """Yield the ends of an interval by name; nothing without an interval."""
    if bounds is not None:
        yield f"low/{name}", bounds[0]
        yield f"high/{name}", bounds[1]


def _figures(name: str, data: Any) -> Iterator[tuple[str, float, Sequence[float] | None]]:
    """Yield name, value and interval of every number in nested JSON data of scores."""
    if isinstance(data, Mapping):
        known = cast("Mapping[str, Any]", data)
        if "value" not in known:
            for key, value in known.items():
                yield from _figures(f"{name}/{key}", value)
        elif known["value"] is not None:
            yield name, known["value"], known["interval"]
    elif isinstance(data, int | float) and not isinstance(data, bool):
        yield name, data, None


def _settings(run: ExportedRun) -> dict[str, str]:
    scored = {f"scored {k}": str(v) for k, v in run.scores.settings.to_json().items()}
    facts = {
        "run": run.name,
        "selector": run.scores.selector_label,
        **dict(settings_for_others(run.records.run)),
        **scored,
    }
    return {key: value[:_LONGEST] for key, value in facts.items()}
