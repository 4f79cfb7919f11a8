"""The spread of S, Grove and the failure split over variants of one kind.

What a variant does not change counts in these as under the default prompt, so that S under a
variant of the question is made of its accuracies and of the masks of the default prompt.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pixfoundation.runs.variants import variant_id
from pixfoundation.scoring.accuracy import both_right
from pixfoundation.scoring.intervals import Estimate, least_units
from pixfoundation.scoring.paired import mask_success
from pixfoundation.scoring.scores import Scores
from pixfoundation.sensitivity.measures import Measure, aligned, build_table, measures_of
from pixfoundation.sensitivity.statistics import (
    Resampling,
    Spread,
    Values,
    VariantTable,
    default_of_varied,
    spread,
    spread_of,
)
from pixfoundation.variants import Variant

PARTS = ("both", "vqa_only", "grounding_only", "neither")
"""The parts of the failure split, as shares of the pairs."""


@dataclass(frozen=True, slots=True, eq=False)
class PairedSummary:
    """How much a figure of answers and masks together moves over the variants of one kind.

    Attributes:
        kind: Name of the kind.
        figure: `S`, `grove`, or a part of the failure split: `both`, `vqa_only`, `grounding_only`,
            `neither`, as shares of the pairs.
        variants: The variants, in order.
        spread: The figure under the variants and how far it moves.
    """

    kind: str
    figure: str
    variants: tuple[Variant, ...]
    spread: Spread

    @property
    def worst(self) -> Variant:
        """The variant with the least value."""
        return self.variants[self.spread.worst]

    @property
    def best(self) -> Variant:
        """The variant with the greatest value."""
        return self.variants[self.spread.best]

    def to_json(self) -> dict[str, Any]:
        """Return the summary as plain JSON data; fractions run from 0 to 1."""
        own = self.spread
        return {
            "kind": self.kind,
            "figure": self.figure,
            "n_variants": len(self.variants),
            "default": own.default.to_json(),
            "mean": own.mean.to_json(),
            "standard_deviation": own.deviation.to_json(),
            "range": own.range.to_json(),
            "worst": {"variant": str(self.worst), **own.least.to_json()},
            "best": {"variant": str(self.best), **own.greatest.to_json()},
        }


def paired_summaries(
    kind: str, default: Scores, varied: Mapping[Variant, Scores], replicates: int, seed: int
) -> list[PairedSummary]:
    """Return the spread of S, Grove and the failure split; nothing without answers or masks.

    Args:
        kind: Name of the kind.
        default: Scores under the default prompt.
        varied: Scores under each variant of the kind.
        replicates: Number of draws of the intervals.
        seed: Seed of the draws.
    """
    lead = default.lead
    if lead.accuracy_protocol is None or lead.mask_protocol is None:
        return []
    spreads: dict[str, Spread] = {}
    if (own := _spread_of_s(default, varied, replicates, seed)) is not None:
        spreads["S"] = own
    tables = {"grove": _grove(default, varied), **_failures(default, varied)}
    for name, table in tables.items():
        if not np.isnan(table.values).all():
            spreads[name] = spread(table, Resampling(table, replicates, seed))
    return [PairedSummary(kind, name, tuple(varied), each) for name, each in spreads.items()]


def _spread_of_s(
    default: Scores, varied: Mapping[Variant, Scores], replicates: int, seed: int
) -> Spread | None:
    """Return the spread of S from the tables of what it is made of; None without them."""
    measures = measures_of(default)
    has_pairs = any(measure.by_pair for measure in measures)
    answers = [m for m in measures if m.selector is None and m.by_pair == has_pairs]
    masks = [m for m in measures if m.selector == default.selector and m.protocol in (1, 3)]
    if not answers or default.selector is None or not masks:
        return None
    parts = [_greatest(group, default, varied, replicates, seed) for group in (answers, masks)]
    (a_means, a_drawn, a_default, resampling), (m_means, m_drawn, m_default, _) = parts
    if np.isnan(a_means).all() or a_default.value is None or m_default.value is None:
        return None
    value = _harmonic(np.array(a_default.value), np.array(m_default.value))
    plain = Estimate(
        float(value),
        min(a_default.n, m_default.n),
        _harmonic(a_default.draws, m_default.draws),
        least_units((a_default, m_default)),
    )
    return spread_of(_harmonic(a_means, m_means), _harmonic(a_drawn, m_drawn), plain, resampling)


def _greatest(
    measures: Sequence[Measure],
    default: Scores,
    varied: Mapping[Variant, Scores],
    replicates: int,
    seed: int,
) -> tuple[Values, Values, Estimate, Resampling]:
    """Return the greatest of some measures: by variant, by draw, under the default; and draws."""
    tables = [build_table(measure, default, varied) for measure in measures]
    own = [(table, Resampling(table, replicates, seed)) for table in tables]
    plain = [default_of_varied(table, resampling) for table, resampling in own]
    known = [each for each in plain if each.value is not None]
    with np.errstate(invalid="ignore"):
        means = np.fmax.reduce([table.means for table, _ in own])
        drawn = np.fmax.reduce([resampling.means for _, resampling in own])
        draws = np.fmax.reduce([each.draws for each in plain])
    value = max((each.value for each in known if each.value is not None), default=None)
    n = min((each.n for each in known), default=0)
    estimate = Estimate(value, n, draws, least_units(known))
    return means, drawn, estimate, own[0][1]


def _harmonic(first: Values, second: Values) -> Values:
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = 2 * first * second / (first + second)
    return np.where(first + second == 0, 0.0, mean)


def _grove(default: Scores, varied: Mapping[Variant, Scores]) -> VariantTable:
    ids = [sample.id for sample in default.samples]
    plain = aligned(default, _grove_values(default), ids)
    rows = [
        aligned(scores, _grove_values(scores), [variant_id(id, variant) for id in ids])
        for variant, scores in varied.items()
    ]
    return VariantTable(plain, np.array(rows), default.bootstrap.unit)


def _grove_values(scores: Scores) -> Values:
    right, iou = _right(scores), _iou_and_success(scores)[0]
    return np.sqrt(right * iou)


def _right(scores: Scores) -> Values:
    protocol = scores.lead.accuracy_protocol
    nothing = np.full(len(scores.samples), np.nan)
    return nothing if protocol is None else scores.accuracy[protocol].right


def _iou_and_success(scores: Scores) -> tuple[Values, Values]:
    lead = scores.lead
    nothing = np.full(len(scores.samples), np.nan)
    if lead.mask_protocol is None or lead.selector is None:
        return nothing, nothing
    overlaps = scores.groundings[lead.mask_protocol, lead.selector].overlaps
    return overlaps.iou, mask_success(overlaps)


def _failures(default: Scores, varied: Mapping[Variant, Scores]) -> dict[str, VariantTable]:
    """Return for each part of the split which pairs are in it, under each prompt."""
    ids = [sample.id for sample in default.samples]
    plain = _parts(default, default, ids)
    rows = [
        _parts(default, scores, [variant_id(id, variant) for id in ids])
        for variant, scores in varied.items()
    ]
    unit = np.arange(default.bootstrap.units)
    return {
        name: VariantTable(plain[name], np.array([row[name] for row in rows]), unit)
        for name in PARTS
    }


def _parts(default: Scores, scores: Scores, ids: Sequence[str]) -> dict[str, Values]:
    samples, bootstrap = default.samples, default.bootstrap
    right, success = _right(scores), _iou_and_success(scores)[1]
    answered = both_right(aligned(scores, right, ids), samples, bootstrap)
    shown = both_right(aligned(scores, success, ids), samples, bootstrap)
    a, m = answered == 1.0, shown == 1.0
    unknown = np.isnan(answered) | np.isnan(shown)
    parts = {"both": a & m, "vqa_only": a & ~m, "grounding_only": ~a & m, "neither": ~a & ~m}
    return {name: np.where(unknown, np.nan, part.astype(float)) for name, part in parts.items()}
