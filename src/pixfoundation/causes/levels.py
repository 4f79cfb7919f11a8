"""How well a run and its controls look, find and answer: claim and controls on one scale."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixfoundation.causes.effects import Effect, measure_effects
from pixfoundation.choice_parsing import parse_tolerant
from pixfoundation.emergence.overlaps import AnswerOverlap, answer_overlaps
from pixfoundation.errors import RunError
from pixfoundation.existence import exists, isdir
from pixfoundation.runs.asked import asked_protocols
from pixfoundation.runs.run_records import RunRecords
from pixfoundation.runs.store import RunDirectory
from pixfoundation.scoring.intervals import Bootstrap, Estimate
from pixfoundation.types import Protocol
from pixfoundation.wording import pixfoundation_command

Values = NDArray[np.float64]
FOLDER = "controls"
MEASURES = {
    "point accuracy": "how often the points of all phrases lie in the ground truth",
    "best point": "how often the point of the best phrase does (an oracle chooses it)",
    "oracle mIoU": "IoU of the best mask of an answer; 0 where it offers none",
    "place": "place of the best phrase in the answer",
    "accuracy": "right answers to protocol 2",
}
"""What is measured, each from 0 to 1, one value per sample."""
CHANCE = {"point accuracy": "random points", "oracle mIoU": "masks at random points"}
"""What a measure is compared with inside a run, where there is such a level."""


@dataclass(frozen=True, slots=True, eq=False)
class Level:
    """The measures of the run or of one control.

    Attributes:
        name: Name of the control; `run` for the run itself, `chance` for random points.
        measures: The measures, over the samples that have them.
        effects: Difference of the run to this control on the samples of both, by measure; empty
            for the run itself. All differences of a table are one family for Holm's method.
    """

    name: str
    measures: Mapping[str, Estimate]
    effects: Mapping[str, Effect]

    def to_json(self) -> dict[str, Any]:
        """Return the level as plain JSON data."""
        return {
            "name": self.name,
            "measures": {name: each.to_json() for name, each in self.measures.items()},
            "run_minus_control": {name: each.to_json() for name, each in self.effects.items()},
        }


@dataclass(frozen=True, slots=True, eq=False)
class Levels:
    """A run with its controls.

    Attributes:
        name: Name of the run.
        protocol: Protocol of the answers with phrases.
        levels: The run, chance, then the controls.
    """

    name: str
    protocol: Protocol
    levels: tuple[Level, ...]

    def to_json(self) -> dict[str, Any]:
        """Return all numbers as plain JSON data."""
        return {
            "run": self.name,
            "protocol": self.protocol,
            "levels": [level.to_json() for level in self.levels],
        }


def control_runs(run: RunDirectory, protocol: Protocol | None = None) -> dict[str, RunDirectory]:
    """Return the controls that a run holds, by name.

    Args:
        run: The run directory.
        protocol: Only those that were asked this protocol; None for all.
    """
    folder = run.path / FOLDER
    controls = {
        each.name: RunDirectory(each)
        for each in sorted(folder.iterdir() if isdir(folder) else ())
        if exists(each / "run.json")
    }
    if protocol is None:
        return controls
    return {name: each for name, each in controls.items() if protocol in _asked(each)}


def usual_protocols(run: RunDirectory) -> tuple[Protocol, ...]:
    """Return the protocols that controls of a run are asked unless others are chosen.

    They are 2 and 3, as far as the run has them, and 1 in the place of 3 where nothing is asked
    that.
    """
    asked = _asked(run)
    return tuple(p for p in asked if p != 1 or 3 not in asked) or run.config.protocols


def measure_levels(
    run: RunDirectory, *, protocol: Protocol | None = None, seed: int = 2024
) -> Levels:
    """Measure a run and its controls on the samples that they share.

    Args:
        run: A run directory with controls, see `controls.collect.run_controls`.
        protocol: Protocol of the answers with phrases; None for 3, or 1 where no control was
            asked that. Controls that were not asked it are left out, unless none was.
        seed: Seed of the bootstrap draws and the sign tests.

    Raises:
        RunError: If the run has no controls.
    """
    controls = control_runs(run)
    if not controls:
        command = pixfoundation_command("controls", run.path)
        raise RunError(f"{run.path} has no controls. The command `{command}` makes them.")
    if protocol is None:
        protocol = 3 if control_runs(run, 3) else 1
    controls = control_runs(run, protocol) or controls
    shared = [id for id in run.samples if any(id in c.samples for c in controls.values())]
    bootstrap = Bootstrap([run.samples[id] for id in shared], seed=seed)
    own = measure_run(RunRecords(run), shared, protocol)
    tables = {"chance": chance_of(RunRecords(run), shared, protocol)} | {
        name: measure_run(RunRecords(control), shared, protocol)
        for name, control in controls.items()
    }
    differences = {
        (name, measure): own[measure] - table[measure]
        for name, table in tables.items()
        for measure in MEASURES
        if not np.isnan(own[measure] - table[measure]).all()
    }
    effects = measure_effects({f"{n}/{m}": d for (n, m), d in differences.items()}, bootstrap, seed)
    levels = [Level("run", _estimates(own, bootstrap), {})]
    for name, table in tables.items():
        levels.append(
            Level(
                name,
                _estimates(table, bootstrap),
                {m: effects[f"{n}/{m}"] for n, m in differences if n == name},
            )
        )
    return Levels(run.name, protocol, tuple(levels))


def _asked(run: RunDirectory) -> tuple[Protocol, ...]:
    return asked_protocols(run.config.protocols, run.samples.values())


def measure_run(
    records: RunRecords, ids: Sequence[str], protocol: Protocol = 3
) -> dict[str, Values]:
    """Return each of `MEASURES` for samples, float64 [samples]; NaN where it does not exist."""
    overlaps = {each.sample.id: each for each in answer_overlaps(records, protocol)}
    return {
        "point accuracy": _each(ids, overlaps, lambda o: _mean(o.hit)),
        "best point": _each(ids, overlaps, _best_hit),
        "oracle mIoU": np.array(
            [
                float(overlaps[id].iou.max()) if id in overlaps else _without(records, id, protocol)
                for id in ids
            ]
        ),
        "place": _each(ids, overlaps, _place),
        "accuracy": np.array([_right(records, id) for id in ids]),
    }


def chance_of(records: RunRecords, ids: Sequence[str], protocol: Protocol = 3) -> dict[str, Values]:
    """Return the measures of random points, for those that have such a level; NaN for others."""
    overlaps = {each.sample.id: each for each in answer_overlaps(records, protocol)}
    missing = np.full(len(ids), np.nan)
    return dict.fromkeys(MEASURES, missing) | {
        "point accuracy": _each(ids, overlaps, lambda o: _mean(o.random_hit)),
        "oracle mIoU": _each(
            ids, overlaps, lambda o: float(o.random_iou.max()) if len(o.random_iou) else np.nan
        ),
    }


def _each(
    ids: Sequence[str],
    overlaps: Mapping[str, AnswerOverlap],
    measure: Callable[[AnswerOverlap], float],
) -> Values:
    return np.array([measure(overlaps[id]) if id in overlaps else np.nan for id in ids], float)


def _without(records: RunRecords, id: str, protocol: Protocol) -> float:
    """Return 0 for a sample with an object whose answer offers no mask; NaN for any other."""
    sample = records.run.all_samples.get(id)
    known = records.candidates.get((id, protocol))
    if sample is None or sample.mask.is_empty or known is None or known.error:
        return float("nan")
    return 0.0


def _best_hit(overlap: AnswerOverlap) -> float:
    return np.nan if overlap.best is None else float(overlap.hit[overlap.best])


def _place(overlap: AnswerOverlap) -> float:
    return np.nan if overlap.best is None else float(overlap.places[overlap.best])


def _right(records: RunRecords, id: str) -> float:
    """Return whether the answer to protocol 2 names the correct option; NaN without an answer.

    Answers that the model only read are not its own.
    """
    if records.run.config.answers is not None:
        return float("nan")
    answer, sample = records.answers.get((id, 2)), records.run.all_samples.get(id)
    if answer is None or answer.error is not None or sample is None or sample.answer is None:
        return float("nan")
    return float(parse_tolerant(answer.text, sample.options) == frozenset({sample.answer}))


def _mean(values: Values) -> float:
    return float(np.nanmean(values)) if len(values) and not np.isnan(values).all() else float("nan")


def _estimates(table: Mapping[str, Values], bootstrap: Bootstrap) -> dict[str, Estimate]:
    return {name: bootstrap.mean(values) for name, values in table.items()}
