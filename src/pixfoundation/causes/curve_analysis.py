"""What insertion and deletion curves show: areas, and the difference to random regions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from pixfoundation.causes.effects import Effect, measure_effects
from pixfoundation.causes.fills import Fill
from pixfoundation.causes.records import CURVES, CurveRecord, CurveSettings, required
from pixfoundation.runs.names import run_names
from pixfoundation.runs.store import RunDirectory
from pixfoundation.scoring.intervals import Bootstrap, Estimate
from pixfoundation.types import Protocol

Values = NDArray[np.float64]
KINDS = ("deletion", "insertion")


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """One kind of curve with one fill, for the attended region and for random ones.

    All values are natural logarithms of the probability of the answer, minus that about the whole
    image: 0 means that nothing was lost.

    Attributes:
        fill: What removed parts are filled with.
        kind: `deletion` or `insertion`.
        attended: Mean over samples at each share, from 0 to 1.
        random: The same for random regions, mean over draws.
        attended_area: Area under the curve of the attended region.
        random_area: Area under the curve of random regions, mean over draws.
        effect: Difference in area: random minus attended for deletion, attended minus random for
            insertion. Above 0, the attended region matters more than others.
        attended_kept: Share of samples whose answer greedy decoding would still give, at each share
            without 0 and 1; empty for insertion.
        random_kept: The same for random regions.
    """

    fill: Fill
    kind: str
    attended: tuple[Estimate, ...]
    random: tuple[Estimate, ...]
    attended_area: Estimate
    random_area: Estimate
    effect: Effect
    attended_kept: tuple[Estimate, ...]
    random_kept: tuple[Estimate, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the curve as plain JSON data."""
        return {
            "fill": self.fill,
            "kind": self.kind,
            "attended": [each.to_json() for each in self.attended],
            "random": [each.to_json() for each in self.random],
            "attended_area": self.attended_area.to_json(),
            "random_area": self.random_area.to_json(),
            "difference": self.effect.to_json(),
            "attended_kept": [each.to_json() for each in self.attended_kept],
            "random_kept": [each.to_json() for each in self.random_kept],
        }


@dataclass(frozen=True, slots=True, eq=False)
class Curves:
    """The curves of one run.

    Attributes:
        name: Name of the run.
        settings: Settings of the test.
        shares: Shares of the area, 0 and 1 included.
        samples: Number of samples.
        not_greedy: Number of samples whose answer greedy decoding does not give about the whole
            image, for instance because the model penalises repetition.
        curves: The curves, deletion and insertion of each fill.
    """

    name: str
    settings: CurveSettings
    shares: tuple[float, ...]
    samples: int
    not_greedy: int
    curves: tuple[Curve, ...]

    def to_json(self) -> dict[str, Any]:
        """Return all numbers as plain JSON data."""
        return {
            "run": self.name,
            "settings": msgspec.to_builtins(self.settings),
            "shares": list(self.shares),
            "samples": self.samples,
            "not_greedy": self.not_greedy,
            "curves": [curve.to_json() for curve in self.curves],
        }


def analyse_curves(
    run: RunDirectory,
    *,
    name: str | None = None,
    protocol: Protocol | None = None,
    seed: int = 2024,
) -> Curves:
    """Return the curves of a run with the last settings that it was measured with.

    The differences in area of all fills and both kinds are one family for Holm's method.

    Args:
        run: A run directory with curves, see `causes.curves.collect_curves`.
        name: Name of the run; the name of its model by default.
        protocol: Protocol of the answers with the phrases; None for that of the last settings.
        seed: Seed of the bootstrap draws and the sign tests.

    Raises:
        RunError: If the run has no curves, or none of the protocol.
    """
    records = required(run, CURVES, "curves", protocol)
    by_fill: dict[Fill, list[CurveRecord]] = {}
    for record in records:
        by_fill.setdefault(record.fill, []).append(record)
    fills = [fill for fill in Fill if fill in by_fill]
    ids = [id for id in run.samples if any(record.sample == id for record in records)]
    bootstrap = Bootstrap([run.samples[id] for id in ids], seed=seed)
    settings = records[-1].settings
    tables = {
        (fill, kind): _table(by_fill[fill], ids, kind) for fill in fills for kind in KINDS
    }  # (samples, 1 + draws, shares + 2)
    shares = (0.0, *settings.shares, 1.0)
    areas: dict[tuple[Fill, str], Values] = {
        key: np.asarray(np.trapezoid(table, shares, axis=-1)) for key, table in tables.items()
    }
    effects = measure_effects(
        {f"{fill}, {kind}": _difference(areas[fill, kind], kind) for fill, kind in tables},
        bootstrap,
        seed,
    )
    curves = [
        Curve(
            fill=fill,
            kind=kind,
            attended=_over_samples(table[:, 0], bootstrap),
            random=_over_samples(table[:, 1:].mean(axis=1), bootstrap),
            attended_area=bootstrap.mean(areas[fill, kind][:, 0]),
            random_area=bootstrap.mean(areas[fill, kind][:, 1:].mean(axis=1)),
            effect=effects[f"{fill}, {kind}"],
            attended_kept=_kept(by_fill[fill], ids, bootstrap, False) if kind == KINDS[0] else (),
            random_kept=_kept(by_fill[fill], ids, bootstrap, True) if kind == KINDS[0] else (),
        )
        for (fill, kind), table in tables.items()
    ]
    whole_kept = {record.sample: record.whole_kept for record in records}
    return Curves(
        name=name or run_names([run])[0],
        settings=settings,
        shares=shares,
        samples=len(ids),
        not_greedy=sum(not kept for kept in whole_kept.values()),
        curves=tuple(curves),
    )


def _table(records: Sequence[CurveRecord], ids: Sequence[str], kind: str) -> Values:
    """Return the curves of all samples, float64 [samples, 1 + draws, shares + 2].

    The first row is that of the attended region; NaN for a sample without a line.
    """
    known = {record.sample: record for record in records}
    settings = records[0].settings
    table = np.full((len(ids), 1 + settings.draws, len(settings.shares) + 2), np.nan)
    for place, id in enumerate(ids):
        record = known.get(id)
        if record is None:
            continue
        first, last = (
            (record.whole, record.empty) if kind == KINDS[0] else (record.empty, record.whole)
        )
        attended = record.deletion if kind == KINDS[0] else record.insertion
        random = record.random_deletion if kind == KINDS[0] else record.random_insertion
        for row, values in enumerate((attended, *random)):
            table[place, row] = np.array([first, *values, last]) - record.whole
    return table


def _difference(areas: Values, kind: str) -> Values:
    difference = areas[:, 1:].mean(axis=1) - areas[:, 0]
    return difference if kind == KINDS[0] else -difference


def _over_samples(table: Values, bootstrap: Bootstrap) -> tuple[Estimate, ...]:
    return tuple(bootstrap.mean(column) for column in table.T)


def _kept(
    records: Sequence[CurveRecord], ids: Sequence[str], bootstrap: Bootstrap, random: bool
) -> tuple[Estimate, ...]:
    known: Mapping[str, CurveRecord] = {record.sample: record for record in records}
    shares = len(records[0].settings.shares)
    table = np.full((len(ids), shares), np.nan)
    for place, id in enumerate(ids):
        if id in known:
            rows = known[id].random_kept if random else (known[id].deletion_kept,)
            table[place] = np.mean(np.array(rows, np.float64), axis=0)
    return _over_samples(table, bootstrap)
