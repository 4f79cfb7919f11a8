"""Agreement of variants with each other, and where the variance of a table comes from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pixfoundation.scoring.intervals import Estimate
from pixfoundation.sensitivity.statistics import Resampling, Values, VariantTable


def nominal_alpha(values: Values) -> float:
    """Return Krippendorff's alpha of categories, with variants as raters of the items.

    Args:
        values: Codes of the categories, float64 [variants, items]; NaN where there is none.

    Returns:
        1 for full agreement, 0 for that of chance; NaN if it is not defined, as where all values
        are the same.
    """
    codes = np.unique(values[~np.isnan(values)])
    counts = np.array([(values == code).sum(axis=0) for code in codes], dtype=np.float64)
    return _alpha(counts, 1.0 - np.eye(len(codes)))


def interval_alpha(values: Values) -> float:
    """Return Krippendorff's alpha of numbers, with variants as raters of the items.

    Args:
        values: The numbers, float64 [variants, items]; NaN where there is none.

    Returns:
        As `nominal_alpha`.
    """
    present = ~np.isnan(values)
    counted = present.sum(axis=0)
    used = counted > 1
    numbers, n = np.where(present, values, 0.0)[:, used], counted[used].astype(np.float64)
    total = float(n.sum())
    if total < 2:
        return np.nan
    # Sum over ordered pairs of squared differences: 2 (m sum x^2 - (sum x)^2) in an item of m.
    sums, squares = numbers.sum(axis=0), (numbers**2).sum(axis=0)
    observed = float((2 * (n * squares - sums**2) / (n - 1)).sum()) / total
    expected = 2 * (total * squares.sum() - sums.sum() ** 2) / (total * (total - 1))
    return 1 - observed / expected if expected > 1e-15 else np.nan


def _alpha(counts: Values, distance: Values) -> float:
    """Return alpha from the number of raters per category and item, float64 [codes, items]."""
    counted = counts.sum(axis=0)
    used = counts[:, counted > 1]
    n, total = used.sum(axis=0), used.sum()
    if total < 2:
        return np.nan
    observed = float((np.einsum("ci,cd,di->i", used, distance, used) / (n - 1)).sum()) / total
    totals = used.sum(axis=1)
    expected = float(totals @ distance @ totals) / (total * (total - 1))
    return 1 - observed / expected if expected else np.nan


UNKNOWN = (np.nan, np.nan, np.nan)
"""Shares of a drawn table in which nothing varies."""


@dataclass(frozen=True, slots=True, eq=False)
class VarianceShares:
    """Where the variance of a table comes from; the shares add up to 1.

    Attributes:
        variant: Share of the variants: some are worse than others for all items.
        sample: Share of the items: some are harder than others under all variants.
        interaction: The rest: a variant hurts one item and helps another, or noise.
    """

    variant: Estimate
    sample: Estimate
    interaction: Estimate


def variance_shares(table: VariantTable, resampling: Resampling) -> VarianceShares | None:
    """Split the variance by a two-way layout with random effects.

    Items that lack a variant are left out. Negative components count as 0.

    Returns:
        The shares; None if fewer than two variants or items remain, or nothing varies.
    """
    values = variance_components(table.values)
    if values is None:
        return None
    drawn = resampling.each(lambda cells: variance_components(cells) or UNKNOWN)
    drawn = drawn.reshape(-1, len(UNKNOWN)).T
    n = int((~np.isnan(table.values)).all(axis=0).sum())
    return VarianceShares(
        *(Estimate(value, n, draws) for value, draws in zip(values, drawn, strict=True))
    )


def variance_components(values: Values) -> tuple[float, float, float] | None:
    """Return the shares of variant, item and interaction; None if they are not defined.

    Args:
        values: float64 [variants, items]; items with NaN are left out.
    """
    cells = values[:, ~np.isnan(values).any(axis=0)]
    rows, columns = cells.shape
    if rows < 2 or columns < 2:
        return None
    grand = cells.mean()
    by_row, by_column = cells.mean(axis=1), cells.mean(axis=0)
    row_square = columns * ((by_row - grand) ** 2).sum() / (rows - 1)
    column_square = rows * ((by_column - grand) ** 2).sum() / (columns - 1)
    residuals = cells - by_row[:, None] - by_column[None] + grand
    residual_square = (residuals**2).sum() / ((rows - 1) * (columns - 1))
    components = (
        max(float(row_square - residual_square) / columns, 0.0),
        max(float(column_square - residual_square) / rows, 0.0),
        float(residual_square),
    )
    total = sum(components)
    if total <= 1e-15:
        return None
    return (components[0] / total, components[1] / total, components[2] / total)
