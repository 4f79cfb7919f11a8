"""The samples that lose most under variants, with what was asked and answered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pixfoundation.runs.run_records import RunRecords
from pixfoundation.runs.variants import variant_id
from pixfoundation.scoring.paired import SUCCESS_IOU
from pixfoundation.sensitivity.analysis import KindSummary, Sensitivity
from pixfoundation.types import Protocol
from pixfoundation.variants import Variant

COUNT = 5
SHOWN = 4
"""Number of variants that are shown of each sample."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a sample was asked under one prompt, and what came of it.

    Attributes:
        variant: The variant; None for the default prompt.
        prompt: The prompt.
        answer: The answer.
        value: 1 or 0 for a right or wrong answer, or the IoU of the mask.
    """

    variant: Variant | None
    prompt: str
    answer: str
    value: float

    def to_json(self) -> dict[str, Any]:
        """Return the outcome as plain JSON data."""
        return {
            "variant": None if self.variant is None else str(self.variant),
            "prompt": self.prompt,
            "answer": self.answer,
            "value": self.value,
        }


@dataclass(frozen=True, slots=True)
class WorstSample:
    """A sample that succeeds under the default prompt and fails under variants.

    Attributes:
        sample: Id of the sample.
        lost: Number of variants under which it fails although it succeeds by default, over answers
            and masks of all protocols.
        asked: Number of variants that it was asked under, counted likewise.
        measure: Name of the measure that the outcomes are of: the one that loses most.
        protocol: Protocol of that measure.
        outcomes: The default prompt, then the worst variants.
    """

    sample: str
    lost: int
    asked: int
    measure: str
    protocol: Protocol
    outcomes: tuple[Outcome, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the sample as plain JSON data."""
        return {
            "sample": self.sample,
            "lost": self.lost,
            "asked": self.asked,
            "measure": self.measure,
            "protocol": self.protocol,
            "outcomes": [outcome.to_json() for outcome in self.outcomes],
        }


def worst_samples(
    sensitivity: Sensitivity, records: RunRecords, count: int = COUNT
) -> list[WorstSample]:
    """Return the samples that lose most under variants; none if no variant loses any.

    A sample loses where its answer is right, or its IoU above 0.5, under the default prompt alone.
    Controls are not counted.

    Args:
        sensitivity: The summary of a run.
        records: The records of the same run.
        count: Greatest number of samples.
    """
    summaries = sensitivity.by_sample()
    samples = sensitivity.default.samples
    lost, asked = np.zeros(len(samples)), np.zeros(len(samples))
    for summary in summaries:
        fell, known = _losses(summary)
        lost += fell.sum(axis=0)
        asked += known.sum(axis=0)
    shares = np.divide(lost, asked, out=np.zeros_like(lost), where=asked > 0)
    order = [int(i) for i in np.lexsort((-lost, -shares)) if lost[i]][:count]
    return [
        _worst(summaries, records, samples[i].id, i, (int(lost[i]), int(asked[i]))) for i in order
    ]


def _losses(summary: KindSummary) -> tuple[np.ndarray, np.ndarray]:
    table = summary.table
    known = ~np.isnan(table.values) & ~np.isnan(table.default)[None]
    return known & (table.default > SUCCESS_IOU)[None] & ~(table.values > SUCCESS_IOU), known


def _worst(
    summaries: list[KindSummary],
    records: RunRecords,
    id: str,
    place: int,
    counts: tuple[int, int],
) -> WorstSample:
    losses: dict[str, int] = {}
    for summary in summaries:
        fell = int(_losses(summary)[0][:, place].sum())
        losses[summary.measure.name] = losses.get(summary.measure.name, 0) + fell
    name = max(losses, key=lambda measure: losses[measure])
    own = [summary for summary in summaries if summary.measure.name == name]
    measure = own[0].measure
    cells = [
        (float(value), variant)
        for summary in own
        for value, variant, fell in zip(
            summary.table.values[:, place],
            summary.variants,
            _losses(summary)[0][:, place],
            strict=True,
        )
        if fell
    ]
    cells.sort(key=lambda cell: cell[0])
    default = _outcome(records, id, measure.protocol, None, float(own[0].table.default[place]))
    return WorstSample(
        id,
        *counts,
        name,
        measure.protocol,
        (
            default,
            *(
                _outcome(records.at(variant), id, measure.protocol, variant, value)
                for value, variant in cells[:SHOWN]
            ),
        ),
    )


def _outcome(
    records: RunRecords, id: str, protocol: Protocol, variant: Variant | None, value: float
) -> Outcome:
    key = (id if variant is None else variant_id(id, variant), protocol)
    answer = records.answers.get(key)
    if answer is None:  # imported masks may come without answers
        return Outcome(variant, "", "", value)
    return Outcome(variant, answer.prompt, answer.text or (answer.error or ""), value)
