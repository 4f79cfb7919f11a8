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
from pixfoundation.errors import DataError
from pixfoundation.reading import readings
from pixfoundation.runs.names import run_names
from pixfoundation.runs.run_records import RunRecords
from pixfoundation.runs.store import RunDirectory
from pixfoundation.runs.variants import variant_id
from pixfoundation.scoring.intervals import Bootstrap, Estimate
from pixfoundation.types import Protocol
from pixfoundation.where.reading_lines import ReadingLine, stored_lines

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
    """There are fewer than two settings."""


@dataclass(frozen=True, slots=True, eq=False)
class Stability:
    """One measure over settings.

    Attributes:
        measure: Name of the measure, see `causes.levels.MEASURES`.
        settings: The measure under each setting, on the samples that all settings share.
        spread: Standard deviation of the means over settings.
        chosen: The setting that is the best on most halves.
        chosen_share: Share of halves on which it is.
        in_sample: Mean over halves of the best setting on the half that it was chosen on.
        held_out: Mean over halves of that setting on the other half.
        average: Mean over settings and samples: what choosing at random gives.
    """

    measure: str
    settings: Mapping[str, Estimate]
    spread: float
    chosen: str
    chosen_share: float
    in_sample: float
    held_out: float
    average: float

    def to_json(self) -> dict[str, Any]:
        """Return all numbers as plain JSON data."""
        return {
            "measure": self.measure,
            "settings": {name: each.to_json() for name, each in self.settings.items()},
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
    """
    settings = _settings(runs)
    if len(settings) < 2:
        raise SettingsError(
            "Stability needs at least two settings: several runs, a run with variants (`run "
            "--variants`), or one with compared readings (`compare-readings`), but got "
            f"{len(settings)}."
        )
    shared = [id for id in runs[0].samples if all(id in run.samples for run in runs)]
    if not shared:
        raise DataError("The runs share no sample.")
    bootstrap = Bootstrap([runs[0].samples[id] for id in shared], seed=seed)
    tables = {name: _measure(records, ids, shared, protocol)
              for name, (records, ids) in settings.items()}  # fmt: skip
    results: list[Stability] = []
    for measure in MEASURES:
        rows = {name: table[measure] for name, table in tables.items()}
        results += _stability(measure, rows, bootstrap, seed)
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
        One result for each measure that at least two readings have, on the answers that all
        readings share; empty if fewer than two readings were compared.
    """
    tables: dict[str, dict[str, Mapping[str, float | None]]] = {}
    lines = [e for e in stored_lines(run) if e.protocol == protocol and e.sample in run.samples]
    several = len({line.segmenter for line in lines}) > 1
    for line in lines:
        tables.setdefault(_setting(line, several), {})[line.sample] = line.measures
    if len(tables) < 2:
        return []
    shared = [id for id in run.samples if all(id in own for own in tables.values())]
    if not shared:
        return []
    bootstrap = Bootstrap([run.samples[id] for id in shared], seed=seed)
    results: list[Stability] = []
    for measure, title in READING_MEASURES.items():
        rows = {
            name: np.array([own[id].get(measure) for id in shared], np.float64)
            for name, own in tables.items()
        }
        results += _stability(title, rows, bootstrap, seed)
    return results


def _setting(line: ReadingLine, several: bool) -> str:
    """Return the name of a reading, with what tells it apart from others of that name.

    Args:
        line: A line of the reading.
        several: Whether the run holds lines of several segmenters.
    """
    options = json.dumps(line.settings, sort_keys=True)
    default = json.dumps(readings.get(line.reading)().settings(), sort_keys=True)
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
    usable = {name: row for name, row in rows.items() if not np.isnan(row).all()}
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
    means = values[:, complete].mean(axis=1) if complete.any() else np.full(len(names), np.nan)
    name, count = chosen.most_common(1)[0] if chosen else ("", 0)
    masked = np.where(complete, values, np.nan)
    result = Stability(
        measure=measure,
        settings={n: bootstrap.mean(row) for n, row in zip(names, masked, strict=True)},
        spread=float(means.std(ddof=1)),
        chosen=name,
        chosen_share=count / max(sum(chosen.values()), 1),
        in_sample=float(np.mean(inside_half)) if inside_half else float("nan"),
        held_out=float(np.mean(other_half)) if other_half else float("nan"),
        average=float(means.mean()),
    )
    return [result]
