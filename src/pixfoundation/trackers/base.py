"""The interface of trackers, and the registry in which they are found by name.

A tracker is a frozen dataclass whose keyword-only fields are its options, registered under the
name that `pixfoundation track --tracker NAME` takes. It sees a run as `TrackedRun`. The client of
the tracker is imported when the tracker is made, so that listing the trackers loads nothing heavy
and a missing package is told before anything is scored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pixfoundation.registry import Registry


@dataclass(frozen=True, slots=True)
class TrackedRun:
    """What a tracker records of a run.

    Attributes:
        name: Name of the run.
        settings: How it was made and scored, as short texts by name. No folder of this machine.
        scores: Every figure by name, fractions from 0 to 1: `score/S` of the leading selector, its
            95 % interval as `low/S` and `high/S`, `oracle/M` of a selector, `count/samples`;
            `score/protocol3/giou` and the like in referring segmentation and for boxes.
        pictures: Figures as PNG files by name; they are there only while the run is recorded.
    """

    name: str
    settings: Mapping[str, str]
    scores: Mapping[str, float]
    pictures: Mapping[str, Path]


class Tracker(Protocol):
    """Records a run by the client of an experiment tracker."""

    def record(self, run: TrackedRun, project: str) -> str:
        """Record scores, settings and figures as one new run of a project.

        Args:
            run: The run.
            project: Name of the project, or of the experiment.

        Returns:
            Where they are, and how they are looked at, in one or two sentences.

        Raises:
            PrerequisiteError: If the tracker's package is not installed.
            RunError: If the tracker refuses the run.
        """
        ...


TrackerFactory = Callable[..., Tracker]
"""`factory(**options) -> Tracker`; the options are keyword-only, with annotations."""

trackers: Registry[TrackerFactory] = Registry("tracker", group="pixfoundation.trackers")
"""The registered trackers. The detail `offline` says how it works without a network."""
