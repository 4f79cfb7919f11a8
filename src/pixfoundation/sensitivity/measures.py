"""The measures of a run whose sensitivity is summarised: answers and masks by protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pixfoundation.runs.variants import variant_id
from pixfoundation.scoring.accuracy import both_right
from pixfoundation.scoring.scores import Scores
from pixfoundation.sensitivity.statistics import Values, VariantTable
from pixfoundation.types import Protocol
from pixfoundation.variants import Variant


@dataclass(frozen=True, slots=True)
class Measure:
    """What is measured on every item.

    Attributes:
        name: Name as in the JSON of `score`: `accuracy.protocol2.pair`, `miou.protocol3.oracle`.
        symbol: Symbol of the published tables: A†, A, M† or M.
        protocol: The protocol.
        selector: The selector of the masks; None for answers.
        by_pair: Whether an item is a pair, which is right only if both its answers are.
    """

    name: str
    symbol: str
    protocol: Protocol
    selector: str | None = None
    by_pair: bool = False


def measures_of(scores: Scores) -> list[Measure]:
    """Return the measures that a run has, answers first."""
    measures: list[Measure] = []
    symbols = {1: "A†", 2: "A"}
    for protocol, result in scores.accuracy.items():
        name, symbol = f"accuracy.protocol{protocol}", symbols[protocol]
        measures.append(Measure(f"{name}.question", symbol, protocol))
        if result.pair.value is not None:
            measures.append(Measure(f"{name}.pair", symbol, protocol, by_pair=True))
    for protocol, selector in scores.groundings:
        symbol = {1: "M†", 3: "M"}.get(protocol, f"M{protocol}")
        measures.append(Measure(f"miou.protocol{protocol}.{selector}", symbol, protocol, selector))
    return measures


def build_table(
    measure: Measure, default: Scores, varied: Mapping[Variant, Scores]
) -> VariantTable:
    """Return a measure under the default prompt and under variants.

    Args:
        measure: The measure.
        default: Scores under the default prompt.
        varied: Scores under each variant, over the samples that have it.
    """
    samples = default.samples
    ids = [sample.id for sample in samples]
    rows = [
        aligned(scores, _values(measure, scores), [variant_id(id, variant) for id in ids])
        for variant, scores in varied.items()
    ]
    values = np.array(rows, dtype=np.float64).reshape(len(rows), len(samples))
    plain = aligned(default, _values(measure, default), ids)
    unit = default.bootstrap.unit
    if not measure.by_pair:
        return VariantTable(plain, values, unit)
    return VariantTable(
        both_right(plain, samples, default.bootstrap),
        np.array([both_right(row, samples, default.bootstrap) for row in values], dtype=np.float64),
        np.arange(default.bootstrap.units),
    )


def aligned(scores: Scores, values: Values, ids: Sequence[str]) -> Values:
    """Return a value per id; NaN where the variant does not exist or nothing was asked.

    Args:
        scores: The scores that the values are of.
        values: A value per sample of the scores, float64 [samples].
        ids: Ids of samples, or of variants of samples.
    """
    by_id = {s.id: float(v) for s, v in zip(scores.samples, values, strict=True)}
    return np.array([by_id.get(id, np.nan) for id in ids])


def _values(measure: Measure, scores: Scores) -> NDArray[np.float64]:
    if measure.selector is None:
        accuracy = scores.accuracy.get(measure.protocol)
        return np.full(len(scores.samples), np.nan) if accuracy is None else accuracy.right
    masks = scores.groundings.get((measure.protocol, measure.selector))
    if masks is None:
        return np.full(len(scores.samples), np.nan)
    has_expression = np.array([s.has_truth for s in scores.samples], dtype=bool)
    counted = masks.overlaps.counted(scores.settings.empty) & has_expression
    return np.where(counted, masks.overlaps.iou, np.nan)
