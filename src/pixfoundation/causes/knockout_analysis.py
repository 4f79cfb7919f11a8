"""What a knockout shows: how much more an answer loses by the attended place than by others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from pixfoundation.causes.effects import Effect, measure_effects
from pixfoundation.causes.layer_windows import windows
from pixfoundation.causes.records import (
    KNOCKOUTS,
    Blocked,
    KnockoutRecord,
    KnockoutSettings,
    required,
)
from pixfoundation.runs.names import run_names
from pixfoundation.runs.store import RunDirectory
from pixfoundation.scoring.intervals import Bootstrap, Estimate
from pixfoundation.types import Protocol

Values = NDArray[np.float64]
COMPARISONS = {
    "attended - shifted": "the columns under the map, compared with the same shape elsewhere",
    "attended - scattered": "the columns under the map, compared with as many anywhere",
    "truth - shifted": "the columns inside the ground truth, compared with its shape elsewhere",
    "all columns": "all columns of the image, compared with none",
}


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """A window of layers in which columns were blocked.

    Attributes:
        layers: The layers.
        attended: Loss with the columns under the map blocked.
        shifted: Loss with the same shape elsewhere blocked.
        effect: Difference of the two.
        truth: Loss with the columns inside the ground truth blocked.
        truth_effect: Difference of that to the shape of the ground truth elsewhere.
    """

    layers: tuple[int, ...]
    attended: Estimate
    shifted: Estimate
    effect: Effect
    truth: Estimate
    truth_effect: Effect

    def to_json(self) -> dict[str, Any]:
        """Return the window as plain JSON data."""
        return {
            "layers": list(self.layers),
            "attended": self.attended.to_json(),
            "shifted": self.shifted.to_json(),
            "difference": self.effect.to_json(),
            "truth": self.truth.to_json(),
            "truth_difference": self.truth_effect.to_json(),
        }


@dataclass(frozen=True, slots=True, eq=False)
class Knockout:
    """The knockouts of one run.

    A loss is the log-probability of the answer with nothing blocked minus that with columns
    blocked, in nats: above 0, the answer became less likely.

    Attributes:
        name: Name of the run.
        settings: Settings of the test.
        samples: Number of samples.
        cells: Mean number of blocked columns under the map, of columns inside the ground truth, and
            of cells in the image.
        losses: Loss by what was blocked in all layers.
        effects: Differences of losses, see `COMPARISONS`; one family with those of the windows.
        windows: The windows of layers.
        kept: Share of answers that greedy decoding would still give, by what was blocked.
    """

    name: str
    settings: KnockoutSettings
    samples: int
    cells: tuple[float, float, float]
    losses: Mapping[str, Estimate]
    effects: Mapping[str, Effect]
    windows: tuple[Window, ...]
    kept: Mapping[str, Estimate]

    def to_json(self) -> dict[str, Any]:
        """Return all numbers as plain JSON data."""
        return {
            "run": self.name,
            "settings": msgspec.to_builtins(self.settings),
            "samples": self.samples,
            "cells": dict(zip(("attended", "truth", "image"), self.cells, strict=True)),
            "losses": {name: each.to_json() for name, each in self.losses.items()},
            "differences": {name: each.to_json() for name, each in self.effects.items()},
            "windows": [window.to_json() for window in self.windows],
            "kept": {name: each.to_json() for name, each in self.kept.items()},
        }


def analyse_knockout(
    run: RunDirectory,
    *,
    name: str | None = None,
    protocol: Protocol | None = None,
    seed: int = 2024,
) -> Knockout:
    """Return the knockouts of a run with the last settings that it was measured with.

    Args:
        run: A run directory with knockouts, see `causes.knockouts.collect_knockouts`.
        name: Name of the run; the name of its model by default.
        protocol: Protocol of the answers with the phrases; None for that of the last settings.
        seed: Seed of the bootstrap draws and the sign tests.

    Raises:
        RunError: If the run has no knockouts, or none of the protocol.
    """
    records = required(run, KNOCKOUTS, "knockout", protocol)
    bootstrap = Bootstrap([run.samples[record.sample] for record in records], seed=seed)
    settings = records[-1].settings
    every = _losses([record.layers for record in records], records)
    every["all columns"] = np.array([record.whole - record.nothing for record in records])
    count = min(len(record.windows) for record in records)
    in_windows = [
        _losses([record.windows[place] for record in records], records) for place in range(count)
    ]
    differences = {
        "attended - shifted": every["attended"] - every["shifted"],
        "attended - scattered": every["attended"] - every["scattered"],
        "truth - shifted": every["truth"] - every["truth shifted"],
        "all columns": every["all columns"],
    }
    for place, losses in enumerate(in_windows):
        differences[f"window {place}"] = losses["attended"] - losses["shifted"]
        differences[f"truth in window {place}"] = losses["truth"] - losses["truth shifted"]
    effects = measure_effects(differences, bootstrap, seed)
    spans = windows(count, settings.window)
    flags = np.array([[_number(each) for each in record.kept] for record in records])
    return Knockout(
        name=name or run_names([run])[0],
        settings=settings,
        samples=len(records),
        cells=(
            float(np.mean([record.cells for record in records])),
            float(np.mean([record.truth_cells for record in records])),
            float(np.mean([record.image_cells for record in records])),
        ),
        losses={name: bootstrap.mean(values) for name, values in every.items()},
        effects={name: effects[name] for name in COMPARISONS},
        windows=tuple(
            Window(
                span,
                bootstrap.mean(losses["attended"]),
                bootstrap.mean(losses["shifted"]),
                effects[f"window {place}"],
                bootstrap.mean(losses["truth"]),
                effects[f"truth in window {place}"],
            )
            for place, (span, losses) in enumerate(zip(spans, in_windows, strict=True))
        ),
        kept={
            name: bootstrap.mean(flags[:, place])
            for place, name in enumerate(("nothing", "attended", "truth", "all columns"))
        },
    )


def _losses(blocked: Sequence[Blocked], records: Sequence[KnockoutRecord]) -> dict[str, Values]:
    """Return by what was blocked one loss per sample; NaN where it was not blocked."""
    whole = np.array([record.whole for record in records])
    scores = {
        "attended": [each.attended for each in blocked],
        "shifted": [_mean(each.shifted) for each in blocked],
        "scattered": [_mean(each.scattered) for each in blocked],
        "truth": [_number(each.truth) for each in blocked],
        "truth shifted": [_mean(each.truth_shifted) for each in blocked],
    }
    return {name: whole - np.array(values, np.float64) for name, values in scores.items()}


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else float("nan")


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)
