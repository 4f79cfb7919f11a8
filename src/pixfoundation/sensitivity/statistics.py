"""Statistics of a table variant x item: spread, flips, agreement and shares of variance.

An item is a question, a pair or an image; items of one pair are resampled together. Intervals
resample pairs and variants at once, so that they hold for other pairs and other variants of the
same kind. A cell is NaN where the variant does not exist for the item.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pixfoundation.scoring.intervals import Estimate

Values = NDArray[np.float64]

SLOW_REPLICATES = 200
"""Number of draws of the statistics that are computed draw by draw."""
PERMUTATIONS = 5000


@dataclass(frozen=True, slots=True, eq=False)
class VariantTable:
    """One measure under the default prompt and under every variant.

    Attributes:
        default: The measure under the default prompt, float64 [items].
        values: The measure under each variant, float64 [variants, items].
        unit: Number of the pair that each item belongs to, int [items].
    """

    default: Values
    values: Values
    unit: NDArray[np.intp]

    @property
    def units(self) -> int:
        """Number of pairs."""
        return int(self.unit.max()) + 1 if self.unit.size else 0


class Resampling:
    """Draws of the pairs and the variants of a table.

    Attributes:
        pairs: How often each draw holds each pair, float64 [replicates, pairs].
        variants: How often each draw holds each variant, float64 [replicates, variants].
    """

    def __init__(self, table: VariantTable, replicates: int = 1000, seed: int = 2024) -> None:
        """Draw pairs and variants of a table.

        Args:
            table: The table.
            replicates: Number of draws.
            seed: Seed of the draws; tables over the same pairs and variants get the same draws.
        """
        self._table = table
        generator = np.random.default_rng(seed)
        self.pairs = _draws(generator, table.units, replicates)
        self.variants = _draws(generator, len(table.values), replicates)

    @cached_property
    def means(self) -> Values:
        """The mean of each variant over the drawn pairs, float64 [replicates, variants]."""
        return _mean_over_pairs(self._table.values, self._table.unit, self.pairs)

    @cached_property
    def defaults(self) -> Values:
        """The mean of the default prompt over the drawn pairs, float64 [replicates]."""
        return _mean_over_pairs(self._table.default[None], self._table.unit, self.pairs)[:, 0]

    def over_variants(self, means: Values) -> Values:
        """Return the mean over the drawn variants, float64 [replicates].

        Args:
            means: One value per draw and variant, float64 [replicates, variants].
        """
        return _weighted_mean(means, self.variants)

    def share(self, cells: Values) -> Estimate:
        """Return the mean of the cells of a table that are not NaN, float64 [variants, items]."""
        present = ~np.isnan(cells)
        n = int(present.any(axis=0).sum())
        value = float(cells[present].mean()) if present.any() else None
        unit, units = self._table.unit, self._table.units
        above = _sums(np.nan_to_num(cells), unit, units)
        below = _sums(present.astype(np.float64), unit, units)
        with np.errstate(invalid="ignore", divide="ignore"):
            numerators = ((self.pairs @ above.T) * self.variants).sum(axis=1)
            draws = numerators / ((self.pairs @ below.T) * self.variants).sum(axis=1)
        return Estimate(value, n, draws)

    def each(self, statistic: Callable[[Values], float]) -> Values:
        """Compute a statistic on drawn tables.

        A variant that is drawn twice counts once, since it agrees with itself.

        Args:
            statistic: Takes a table, float64 [variants, items]; NaN if it cannot be computed.

        Returns:
            float64 [draws], at most `SLOW_REPLICATES` draws.
        """
        members = [np.flatnonzero(self._table.unit == unit) for unit in range(self._table.units)]
        drawn: list[float] = []
        for weights, variants in zip(
            self.pairs[:SLOW_REPLICATES], self.variants[:SLOW_REPLICATES], strict=True
        ):
            units = np.repeat(np.arange(len(weights)), weights.astype(np.intp))
            items = np.concatenate([members[unit] for unit in units]) if len(units) else []
            rows = np.flatnonzero(variants)
            drawn.append(statistic(self._table.values[np.ix_(rows, np.asarray(items, np.intp))]))
        return np.array(drawn)


@dataclass(frozen=True, slots=True, eq=False)
class Spread:
    """How far the means of the variants of one kind lie apart.

    Attributes:
        default: Mean under the default prompt, over the items that have a variant.
        mean: Mean over variants and items.
        deviation: Standard deviation of the variants' means.
        range: Greatest minus least mean of a variant.
        means: Mean of each variant, float64 [variants].
    """

    default: Estimate
    mean: Estimate
    deviation: Estimate
    range: Estimate
    means: Values

    @property
    def worst(self) -> int:
        """Index of the variant with the least mean."""
        return int(np.nanargmin(self.means))

    @property
    def best(self) -> int:
        """Index of the variant with the greatest mean."""
        return int(np.nanargmax(self.means))


def spread(table: VariantTable, resampling: Resampling) -> Spread:
    """Measure the spread of a table that has at least one variant with a value."""
    varied = ~np.isnan(table.values).all(axis=0)
    compared = VariantTable(np.where(varied, table.default, np.nan), table.values, table.unit)
    n = int((varied & ~np.isnan(table.default)).sum())
    means = _row_means(table.values)
    drawn = resampling.means
    defaults = _mean_over_pairs(compared.default[None], table.unit, resampling.pairs)[:, 0]
    mean = resampling.over_variants(drawn)
    count = resampling.variants.sum(axis=1)
    squares = resampling.over_variants((drawn - mean[:, None]) ** 2)
    with np.errstate(invalid="ignore", divide="ignore"):
        deviations = np.sqrt(squares * count / (count - 1)) if len(means) > 1 else np.zeros(0)
    drawn_means = np.where(resampling.variants > 0, drawn, np.nan)
    ranges = _nan_extreme(np.nanmax, drawn_means) - _nan_extreme(np.nanmin, drawn_means)
    several = int((~np.isnan(means)).sum()) > 1
    return Spread(
        default=Estimate(_mean(compared.default), n, defaults),
        mean=Estimate(float(np.nanmean(means)), n, mean),
        deviation=Estimate(float(np.nanstd(means, ddof=1)) if several else None, n, deviations),
        range=Estimate(float(np.nanmax(means) - np.nanmin(means)), n, ranges),
        means=means,
    )


def flips(table: VariantTable, resampling: Resampling, threshold: float = 0.5) -> Estimate:
    """Return the share of cells on the other side of a threshold than the default prompt.

    Args:
        table: The measure: 1 and 0 for right and wrong answers, or IoU.
        resampling: Draws of the table.
        threshold: What a value must exceed to count as a success.
    """
    changed = (table.values > threshold) != (table.default > threshold)[None]
    unknown = np.isnan(table.values) | np.isnan(table.default)[None]
    return resampling.share(np.where(unknown, np.nan, changed.astype(np.float64)))


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
    drawn = np.stack(
        [resampling.each(lambda cells, i=i: _component(cells, i)) for i in range(3)], axis=0
    )
    n = int((~np.isnan(table.values)).all(axis=0).sum())
    return VarianceShares(
        *(Estimate(value, n, draws) for value, draws in zip(values, drawn, strict=True))
    )


def _component(cells: Values, index: int) -> float:
    shares = variance_components(cells)
    return np.nan if shares is None else shares[index]


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


@dataclass(frozen=True, slots=True)
class VariantTest:
    """Whether a variant is worse than the default prompt.

    Attributes:
        difference: Mean of the variant minus that of the default prompt, over shared items.
        p: Probability of a difference as low by chance, one-sided.
        p_corrected: The same for the worst of all variants of the kind.
    """

    difference: float
    p: float
    p_corrected: float


def worse_than_default(
    table: VariantTable, seed: int = 2024, permutations: int = PERMUTATIONS
) -> list[VariantTest | None]:
    """Test each variant against the default prompt by exchanging the two within pairs.

    Since the worst of many variants looks bad by chance, the corrected p compares each statistic
    with the least of all variants in every permutation (Westfall and Young's single step).

    Args:
        table: The table.
        seed: Seed of the permutations.
        permutations: Number of permutations.

    Returns:
        One test per variant; None for a variant that shares no items with the default prompt.
    """
    differences = table.values - table.default[None]
    sums = _sums(np.nan_to_num(differences), table.unit, table.units)
    scale = np.sqrt((sums**2).sum(axis=1))
    tested = scale > 0
    signs = np.random.default_rng(seed).choice((-1.0, 1.0), (permutations, table.units))
    with np.errstate(invalid="ignore", divide="ignore"):
        statistic = np.where(tested, sums.sum(axis=1) / scale, 0.0)
        permuted = np.where(tested, signs @ sums.T / scale, 0.0)
    least = permuted.min(axis=1, initial=0.0)
    tests: list[VariantTest | None] = []
    for row, own in enumerate(statistic):
        if np.isnan(differences[row]).all():
            tests.append(None)
            continue
        reached = [(permuted[:, row] <= own + 1e-12).sum(), (least <= own + 1e-12).sum()]
        p, corrected = ((1 + int(count)) / (1 + permutations) for count in reached)
        tests.append(VariantTest(float(np.nanmean(differences[row])), p, max(p, corrected)))
    return tests


def rank_stability(first: Values, second: Values) -> float:
    """Return the share of variants under which the first model is better; a tie counts half.

    Args:
        first: Mean of the first model under each variant, float64 [variants].
        second: Mean of the second model under the same variants.
    """
    both = ~(np.isnan(first) | np.isnan(second))
    return float(np.mean((np.sign(first[both] - second[both]) + 1) / 2)) if both.any() else np.nan


# ---- weighted sums -----------------------------------------------------------------------------


def _draws(generator: np.random.Generator, count: int, replicates: int) -> Values:
    if not count:
        return np.zeros((replicates, 0))
    shares = np.full(count, 1 / count)
    return generator.multinomial(count, shares, replicates).astype(np.float64)


def _sums(values: Values, unit: NDArray[np.intp], units: int) -> Values:
    """Return the sum over the items of each pair, float64 [variants, pairs]."""
    sums = np.zeros((len(values), units))
    np.add.at(sums.T, unit, values.T)
    return sums


def _mean_over_pairs(values: Values, unit: NDArray[np.intp], weights: Values) -> Values:
    """Return the mean of each row over the drawn pairs, float64 [replicates, rows]."""
    units = weights.shape[1]
    above = _sums(np.nan_to_num(values), unit, units)
    below = _sums((~np.isnan(values)).astype(np.float64), unit, units)
    with np.errstate(invalid="ignore", divide="ignore"):
        return (weights @ above.T) / (weights @ below.T)


def _weighted_mean(values: Values, weights: Values) -> Values:
    present = ~np.isnan(values)
    with np.errstate(invalid="ignore", divide="ignore"):
        return (np.nan_to_num(values) * weights).sum(axis=1) / (present * weights).sum(axis=1)


def _row_means(values: Values) -> Values:
    counts = (~np.isnan(values)).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.nansum(values, axis=1) / np.where(counts, counts, np.nan)


def _mean(values: Values) -> float | None:
    return None if np.isnan(values).all() else float(np.nanmean(values))


def _nan_extreme(function: Callable[..., Values], values: Values) -> Values:
    empty = np.asarray(np.isnan(values).all(axis=1))
    filled = np.where(empty[:, None], 0.0, values)
    return np.where(empty, np.nan, function(filled, axis=1))
