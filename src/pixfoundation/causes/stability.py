"""Does a finding hold under other settings, and does the best of them hold on other pairs?

A setting is a run (another segmenter, reading or seed), a variant inside a run (another wording or
view), or a reading that `compare-readings` has measured in a run. What is chosen among settings is
chosen on one half of the pairs and reported on the other.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixfoundation.causes.levels import MEASURES, measure_run
from pixfoundation.errors import DataError, RunError
from pixfoundation.reading import readings
from pixfoundation.runs.asked import check_asked, has_objects
from pixfoundation.runs.names import run_names
from pixfoundation.runs.run_records import RunRecords
from pixfoundation.runs.store import RunDirectory
from pixfoundation.runs.variants import variant_id
from pixfoundation.scoring.intervals import Bootstrap, Estimate
from pixfoundation.types import Protocol
from pixfoundation.where.reading_lines import ReadingLine, stored_lines
from pixfoundation.wording import counted

Values = NDArray[np.float64]
READING_MEASURES = {
    "pointing": "peak in mask",
    "energy": "energy in mask",
    "map_iou": "IoU of map",
    "oracle": "mIoU oracle",
    "similarity": "mIoU similarity",
}
"""What is measured of a reading, as `compare-readings` calls it."""
SPLITS = 200
"""Number of random splits of the pairs into halves."""


class SettingsError(DataError):
    """There are fewer than two settings to compare."""


@dataclass(frozen=True, slots=True, eq=False)
class Stability:
    """One measure over settings.

    Attributes:
        measure: Name of the measure, see `causes.levels.MEASURES`.
        settings: The measure under each setting, on the samples that all settings share.
        answers: Number of samples on which each setting has the measure.
        shared: Number of samples on which all have it.
        left_out: Why a setting is missing, by its name.
        spread: Standard deviation of the means over settings.
        chosen: The setting that is the best on most halves; None if there are too few pairs to
            choose on one half and report on the other.
        chosen_share: Share of halves on which it is.
        in_sample: Mean over halves of the best setting on the half that it was chosen on; None
            likewise.
        held_out: Mean over halves of that setting on the other half; None likewise.
        average: Mean over settings and samples: what choosing at random gives.
    """

    measure: str
    settings: Mapping[str, Estimate]
    answers: Mapping[str, int]
    shared: int
    left_out: Mapping[str, str]
    spread: float
    chosen: str | None
    chosen_share: float
    in_sample: float | None
    held_out: float | None
    average: float

    def to_json(self) -> dict[str, Any]:
        """Return all numbers as plain JSON data."""
        return {
            "measure": self.measure,
            "settings": {name: each.to_json() for name, each in self.settings.items()},
            "answers": dict(self.answers),
            "shared": self.shared,
            "left_out": dict(self.left_out),
            "spread": self.spread,
            "chosen": self.chosen,
            "chosen_share": self.chosen_share,
            "in_sample": self.in_sample,
            "held_out": self.held_out,
            "average": self.average,
        }


def measure_stability(
    runs: Sequence[RunDirectory], *, protocol: Protocol = 3, seed: int = 2024
) -> list[Stability]:
    """Measure how stable what was found is over runs and over the variants inside them.

    Args:
        runs: Runs over the same samples; a single run with variants will do.
        protocol: Protocol of the answers with phrases.
        seed: Seed of the splits and the bootstrap draws.

    Returns:
        One result for each measure that at least two settings have.

    Raises:
        SettingsError: If there are fewer than two settings.
        DataError: If they share no sample.
        RunError: If no sample is asked the protocol, or no two settings have a measure in common.
    """
    settings = _settings(runs)
    if len(settings) < 2:
        raise SettingsError(
            "Stability needs at least two settings: several runs, a run with variants (`run "
            "--variants`), or one with compared readings (`compare-readings`), but got "
            f"{len(settings)}."
        )
    shared = list(runs[0].samples)
    for run in runs[1:]:
        before, shared = shared, [id for id in shared if id in run.samples]
        if before and not shared:
            raise DataError(f"{run.path} shares no sample with the runs before it.")
    records = next(iter(settings.values()))[0]
    if has_objects(records):  # else accuracy alone is compared
        check_asked(records, protocol, "the phrases")
    bootstrap = Bootstrap([runs[0].samples[id] for id in shared], seed=seed)
    tables = {name: _measure(records, ids, shared, protocol)
              for name, (records, ids) in settings.items()}  # fmt: skip
    results: list[Stability] = []
    for measure in MEASURES:
        rows = {name: table[measure] for name, table in tables.items()}
        results += _stability(measure, rows, bootstrap, seed)
    if not results:
        raise RunError(
            f"No two of the settings {', '.join(settings)} have answers to protocol {protocol} "
            "about an object in common: there is nothing to compare."
        )
    return results


def measure_reading_stability(
    run: RunDirectory, *, protocol: Protocol = 3, seed: int = 2024
) -> list[Stability]:
    """Measure how stable what was found is over the readings that were compared in a run.

    Args:
        run: A run; the lines that `compare-readings` wrote into it are the settings.
        protocol: Protocol of the answers.
        seed: Seed of the splits and the bootstrap draws.

    Returns:
        One result for each measure that at least two readings have, on the answers that they
        share; empty if fewer than two readings were compared.

    Raises:
        SettingsError: If no two readings share an answer.
    """
    tables: dict[str, dict[str, Mapping[str, float | None]]] = {}
    lines = [e for e in stored_lines(run) if e.protocol == protocol and e.sample in run.samples]
    several = len({line.segmenter for line in lines}) > 1
    for line in lines:
        tables.setdefault(_setting(line, several), {})[line.sample] = line.measures
    if len(tables) < 2:
        return []
    ids = [id for id in run.samples if any(id in own for own in tables.values())]
    bootstrap = Bootstrap([run.samples[id] for id in ids], seed=seed)
    results: list[Stability] = []
    for measure, title in READING_MEASURES.items():
        rows = {
            name: np.array([own.get(id, {}).get(measure) for id in ids], np.float64)
            for name, own in tables.items()
        }
        results += _stability(title, rows, bootstrap, seed)
    if not results:
        numbers = ", ".join(f"{name} on {len(own)}" for name, own in tables.items())
        raise SettingsError(
            f"The readings that were compared in {run.path} share no answer to protocol "
            f"{protocol} that was measured ({numbers}): there is nothing to compare. Run "
            "`pixfoundation compare-readings` again with all of them."
        )
    return results


def _setting(line: ReadingLine, several: bool) -> str:
    """Return the name of a reading, with what tells it apart from others of that name.

    Args:
        line: A line of the reading.
        several: Whether the run holds lines of several segmenters.
    """
    options = json.dumps(line.settings, sort_keys=True)
    # A plug-in may be gone; its lines are as good without it.
    known = line.reading in readings
    default = json.dumps(readings.get(line.reading)().settings() if known else {}, sort_keys=True)
    parts = [options] if options != default else []
    if several:
        parts.append(line.segmenter or "no segmenter")
    return f"{line.reading} ({', '.join(parts)})" if parts else line.reading


def _settings(
    runs: Sequence[RunDirectory],
) -> dict[str, tuple[RunRecords, Mapping[str, str]]]:
    """Return by name the records of each setting, and the ids in it by id of the sample."""
    settings: dict[str, tuple[RunRecords, Mapping[str, str]]] = {}
    for run, name in zip(runs, run_names(list(runs)), strict=True):
        records = RunRecords(run)
        settings[name] = (records, {id: id for id in run.samples})
        for variant in records.variants():
            ids = {id: variant_id(id, variant) for id in run.samples}
            settings[f"{name}, {variant}"] = (records.at(variant), ids)
    return settings


def _measure(
    records: RunRecords, ids: Mapping[str, str], shared: Sequence[str], protocol: Protocol
) -> dict[str, Values]:
    return measure_run(records, [ids[id] for id in shared], protocol)


def _stability(
    measure: str, rows: Mapping[str, Values], bootstrap: Bootstrap, seed: int
) -> list[Stability]:
    """Return the result for one measure; none if fewer than two settings have it.

    Args:
        measure: Name of the measure.
        rows: By setting float64 [samples], NaN where it is not defined.
        bootstrap: Draws over the pairs of these samples.
        seed: Seed of the splits.
    """
    usable, left_out = _in_common(rows)
    if len(usable) < 2:
        return []
    names, values = list(usable), np.array(list(usable.values()))  # (settings, samples)
    complete = ~np.isnan(values).any(axis=0)
    unit = bootstrap.unit
    rng = np.random.default_rng(seed)
    chosen: Counter[str] = Counter()
    inside_half: list[float] = []
    other_half: list[float] = []
    for _ in range(SPLITS):
        first = np.isin(unit, rng.permutation(bootstrap.units)[: bootstrap.units // 2])
        for one in (first, ~first):
            half, rest = one & complete, ~one & complete
            if not half.any() or not rest.any():
                continue
            best = int(values[:, half].mean(axis=1).argmax())
            chosen[names[best]] += 1
            inside_half.append(float(values[best, half].mean()))
            other_half.append(float(values[best, rest].mean()))
    means = values[:, complete].mean(axis=1)
    masked = np.where(complete, values, np.nan)
    name, count = chosen.most_common(1)[0] if chosen else (None, 0)
    result = Stability(
        measure=measure,
        settings={n: bootstrap.mean(row) for n, row in zip(names, masked, strict=True)},
        answers={n: int((~np.isnan(row)).sum()) for n, row in usable.items()},
        shared=int(complete.sum()),
        left_out=left_out,
        spread=float(means.std(ddof=1)),
        chosen=name,
        chosen_share=count / max(sum(chosen.values()), 1),
        in_sample=float(np.mean(inside_half)) if inside_half else None,
        held_out=float(np.mean(other_half)) if other_half else None,
        average=float(means.mean()),
    )
    return [result]


def _in_common(rows: Mapping[str, Values]) -> tuple[dict[str, Values], dict[str, str]]:
    """Return the settings that share some sample, and why each other one is left out.

    A setting with many values goes before one with few, so that the latter is left out.

    Args:
        rows: By setting float64 [samples], NaN where it is not defined.
    """
    known = {name: ~np.isnan(row) for name, row in rows.items()}
    kept: list[str] = []
    left_out: dict[str, str] = {}
    shared: NDArray[np.bool_] | None = None
    for name in sorted(rows, key=lambda name: -int(known[name].sum())):
        if not known[name].any():
            left_out[name] = "not measured"
        elif shared is None or (shared & known[name]).any():
            kept.append(name)
            shared = known[name] if shared is None else shared & known[name]
        else:
            number = int(known[name].sum())
            left_out[name] = f"none of its {counted(number, 'answer')} in common with the others"
    return {name: row for name, row in rows.items() if name in kept}, left_out
