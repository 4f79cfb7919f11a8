"""Prompt sensitivity as pandas data frames: by kind and figure, by variant, by item."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pixfoundation.scoring.frames import load_pandas
from pixfoundation.scoring.intervals import Estimate
from pixfoundation.sensitivity.families import adjusted_p

if TYPE_CHECKING:
    import pandas as pd  # pyright: ignore[reportMissingTypeStubs]

    from pixfoundation.sensitivity.analysis import KindSummary, Sensitivity
    from pixfoundation.sensitivity.rankings import Ranking
    from pixfoundation.sensitivity.statistics import Spread


def summaries_frame(sensitivity: Sensitivity) -> pd.DataFrame:
    """Return how much each figure moves over each kind of variants, one row each.

    Returns:
        Columns `run`, `dataset`, `kind`, `figure` (as in the JSON: `accuracy.protocol2.pair`, `S`,
        `grove`, `both`), `protocol`, `selector`, `n_variants` and `n`; then `default`, `mean`,
        `standard_deviation`, `range`, `worst` and `best`, and for figures of answers or masks alone
        `flips`, `agreement` and the shares of variance `variant`, `sample` and `interaction`, each
        followed by its 95 % interval, `..._low` and `..._high`; the names `worst_variant` and
        `best_variant`, and `p`, `p_corrected` and `p_holm` (adjusted for all rows) of the worst
        variant. Cells that do not apply are missing values.

    Raises:
        PrerequisiteError: If pandas is not installed.
    """
    names = {"run": sensitivity.name, "dataset": sensitivity.dataset}
    p_holm = adjusted_p(sensitivity.summaries)
    rows: list[dict[str, Any]] = []
    for summary in sensitivity.summaries:
        test, shares = summary.tests[summary.spread.worst], summary.shares
        labels = {**names, **_labels(summary)}
        extra: dict[str, Estimate | None] = {
            "flips": summary.flips,
            "agreement": summary.agreement,
            "variant": None if shares is None else shares.variant,
            "sample": None if shares is None else shares.sample,
            "interaction": None if shares is None else shares.interaction,
        }
        rows.append(
            {
                **labels,
                **_spread(summary.spread),
                **{k: v for name, e in extra.items() for k, v in _columns(name, e).items()},
                "worst_variant": str(summary.worst),
                "best_variant": str(summary.best),
                "p": None if test is None else test.p,
                "p_corrected": None if test is None else test.p_corrected,
                "p_holm": p_holm.get(summary),
            }
        )
    for paired in sensitivity.paired:
        rows.append(
            {
                **names,
                "kind": paired.kind,
                "figure": paired.figure,
                "selector": sensitivity.default.selector,
                "n_variants": len(paired.variants),
                **_spread(paired.spread),
                "worst_variant": str(paired.worst),
                "best_variant": str(paired.best),
            }
        )
    return load_pandas().DataFrame(rows)


def variants_frame(sensitivity: Sensitivity) -> pd.DataFrame:
    """Return every figure under every variant, one row each.

    Returns:
        Columns `run`, `dataset`, `kind`, `figure`, `protocol`, `selector`, `variant`, `value` (the
        mean over the samples that have the variant), its 95 % interval `low` and `high` over draws
        of pairs, the `difference` to the default prompt, and its `p` and `p_corrected`.

    Raises:
        PrerequisiteError: If pandas is not installed.
    """
    rows: list[dict[str, Any]] = []
    names = {"run": sensitivity.name, "dataset": sensitivity.dataset}
    for labels, variants, spread, tests in _figures(sensitivity):
        for index, variant in enumerate(variants):
            low, high = spread.interval_of(index) or (None, None)
            test = tests[index] if tests else None
            rows.append(
                {
                    **names,
                    **labels,
                    "variant": str(variant),
                    "value": float(spread.means[index]),
                    "low": low,
                    "high": high,
                    "difference": None if test is None else test.difference,
                    "p": None if test is None else test.p,
                    "p_corrected": None if test is None else test.p_corrected,
                }
            )
    return load_pandas().DataFrame(rows)


def cells_frame(sensitivity: Sensitivity) -> pd.DataFrame:
    """Return the values that the summaries are made of, one row per figure, variant and item.

    Returns:
        Columns `run`, `dataset`, `kind`, `figure`, `protocol`, `selector`, `variant`, `item` (the
        id of the sample, or of the pair for figures by pair), `default` and `value`: 1 and 0 for
        right and wrong answers, or IoU. Items that lack the variant have no row.

    Raises:
        PrerequisiteError: If pandas is not installed.
    """
    rows: list[dict[str, Any]] = []
    names = {"run": sensitivity.name, "dataset": sensitivity.dataset}
    for summary in sensitivity.summaries:
        items = _items(sensitivity, summary)
        for row, variant in zip(summary.table.values, summary.variants, strict=True):
            labels = {**names, **_labels(summary), "variant": str(variant)}
            labels.pop("n_variants")
            rows += [
                {**labels, "item": item, "default": float(default), "value": float(value)}
                for item, default, value in zip(items, summary.table.default, row, strict=True)
                if not np.isnan(value)
            ]
    return load_pandas().DataFrame(rows)


def rankings_frame(rankings: Sequence[Ranking]) -> pd.DataFrame:
    """Return how often one run is better than another, one row per kind and measure.

    Returns:
        Columns `first`, `second`, `kind`, `measure`, `default` (difference under the default
        prompt), `stability` with its 95 % interval `low` and `high`, and `n_variants`.

    Raises:
        PrerequisiteError: If pandas is not installed.
    """
    rows: list[dict[str, Any]] = []
    for ranking in rankings:
        data = ranking.to_json()
        low, high = data.pop("interval") or (None, None)
        rows.append({**data, "low": low, "high": high})
    return load_pandas().DataFrame(rows)


def _figures(sensitivity: Sensitivity) -> Iterator[tuple[dict[str, Any], Any, Spread, Any]]:
    for summary in sensitivity.summaries:
        labels = _labels(summary)
        labels.pop("n_variants")
        yield labels, summary.variants, summary.spread, summary.tests
    for paired in sensitivity.paired:
        labels = {"kind": paired.kind, "figure": paired.figure, "protocol": None}
        yield (
            {**labels, "selector": sensitivity.default.selector},
            paired.variants,
            paired.spread,
            (),
        )


def _labels(summary: KindSummary) -> dict[str, Any]:
    return {
        "kind": summary.kind,
        "figure": summary.measure.name,
        "protocol": summary.measure.protocol,
        "selector": summary.measure.selector,
        "n_variants": len(summary.variants),
    }


def _items(sensitivity: Sensitivity, summary: KindSummary) -> list[str]:
    samples = sensitivity.default.samples
    if not summary.measure.by_pair:
        return [sample.id for sample in samples]
    unit = sensitivity.default.bootstrap.unit
    names = {
        int(number): sample.pair or sample.id for number, sample in zip(unit, samples, strict=True)
    }
    return [names[number] for number in range(summary.table.units)]


def _spread(spread: Spread) -> dict[str, Any]:
    figures = {
        "default": spread.default,
        "mean": spread.mean,
        "standard_deviation": spread.deviation,
        "range": spread.range,
        "worst": spread.least,
        "best": spread.greatest,
    }
    columns = {k: v for name, e in figures.items() for k, v in _columns(name, e).items()}
    return {"n": spread.default.n, **columns}


def _columns(name: str, estimate: Estimate | None) -> dict[str, Any]:
    if estimate is None:
        return {name: None, f"{name}_low": None, f"{name}_high": None}
    low, high = estimate.interval or (None, None)
    return {name: estimate.value, f"{name}_low": low, f"{name}_high": high}
