"""Statistics of a table variant x item: spread, flips, agreement and shares of variance.

An item is a question, a pair or an image; items of one pair are resampled together. Intervals
resample pairs and variants at once, so that they hold for other pairs and other variants of the
same kind. A cell is NaN where the variant does not exist for the item.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import cast

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

    @property
    def means(self) -> Values:
        """The mean under each variant over the items that have it, float64 [variants]."""
        return _row_means(self.values)


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

    def each(self, statistic: Callable[[Values], float | tuple[float, ...]]) -> Values:
        """Compute a statistic, or several at once, on drawn tables.

        A variant that is drawn twice counts once, since it agrees with itself.

        Args:
            statistic: Takes a table, float64 [variants, items]; NaN if it cannot be computed.

        Returns:
            float64 [draws] or [draws, statistics], at most `SLOW_REPLICATES` draws.
        """
        members = [np.flatnonzero(self._table.unit == unit) for unit in range(self._table.units)]
        drawn: list[float | tuple[float, ...]] = []
        for weights, variants in zip(
            self.pairs[:SLOW_REPLICATES], self.variants[:SLOW_REPLICATES], strict=True
        ):
            units = np.repeat(np.arange(len(weights)), weights.astype(np.intp))
            chosen = [members[unit] for unit in units]
            items = np.concatenate([np.empty(0, np.intp), *chosen])
            rows = np.flatnonzero(variants)
            drawn.append(statistic(self._table.values[np.ix_(rows, items)]))
        return np.array(drawn)


@dataclass(frozen=True, slots=True, eq=False)
class Spread:
    """How far the means of the variants of one kind lie apart.

    Attributes:
        default: Mean under the default prompt, over the items that have a variant.
        mean: Mean over variants and items.
        deviation: Standard deviation of the variants' means.
        range: Greatest minus least mean of a variant.
        least: Mean of the worst variant.
        greatest: Mean of the best variant.
        means: Mean of each variant, float64 [variants].
        drawn: Mean of each variant over the drawn pairs, float64 [replicates, variants].
    """

    default: Estimate
    mean: Estimate
    deviation: Estimate
    range: Estimate
    least: Estimate
    greatest: Estimate
    means: Values
    drawn: Values

    @property
    def worst(self) -> int:
        """Index of the variant with the least mean."""
        return int(np.nanargmin(self.means))

    @property
    def best(self) -> int:
        """Index of the variant with the greatest mean."""
        return int(np.nanargmax(self.means))

    def interval_of(self, index: int) -> tuple[float, float] | None:
        """Return the 95 % interval of the mean of one variant, over draws of the pairs."""
        mean = float(self.means[index])
        return Estimate(mean, 0, self.drawn[:, index], self.default.units).interval


def spread(table: VariantTable, resampling: Resampling) -> Spread:
    """Measure the spread of a table that has at least one variant with a value."""
    return spread_of(
        table.means, resampling.means, default_of_varied(table, resampling), resampling
    )


def default_of_varied(table: VariantTable, resampling: Resampling) -> Estimate:
    """Return the mean under the default prompt, over the items that have a variant."""
    varied = ~np.isnan(table.values).all(axis=0)
    default = np.where(varied, table.default, np.nan)
    counted = ~np.isnan(default)
    units = len(np.unique(table.unit[counted]))
    draws = _mean_over_pairs(default[None], table.unit, resampling.pairs)[:, 0]
    return Estimate(_mean(default), int(counted.sum()), draws, units)


def spread_of(means: Values, drawn: Values, default: Estimate, resampling: Resampling) -> Spread:
    """Measure the spread of a figure that is known under every variant, and on every draw.

    Args:
        means: The figure under each variant, float64 [variants].
        drawn: The same on each draw of the pairs, float64 [replicates, variants].
        default: The figure under the default prompt.
        resampling: Draws of the pairs and variants.
    """
    n = default.n
    mean = resampling.over_variants(drawn)
    count = resampling.variants.sum(axis=1)
    squares = resampling.over_variants((drawn - mean[:, None]) ** 2)
    with np.errstate(invalid="ignore", divide="ignore"):
        deviations = np.sqrt(squares * count / (count - 1)) if len(means) > 1 else np.zeros(0)
    drawn_means = np.where(resampling.variants > 0, drawn, np.nan)
    highest, lowest = (_nan_extreme(extreme, drawn_means) for extreme in (np.nanmax, np.nanmin))
    several = int((~np.isnan(means)).sum()) > 1
    return Spread(
        default=default,
        mean=Estimate(float(np.nanmean(means)), n, mean),
        deviation=Estimate(float(np.nanstd(means, ddof=1)) if several else None, n, deviations),
        range=Estimate(float(np.nanmax(means) - np.nanmin(means)), n, highest - lowest),
        least=Estimate(float(np.nanmin(means)), n, lowest),
        greatest=Estimate(float(np.nanmax(means)), n, highest),
        means=means,
        drawn=drawn,
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
        mean = cast("np.float64", np.nanmean(differences[row]))
        tests.append(VariantTest(float(mean), p, max(p, corrected)))
    return tests


def rank_stability(first: Values, second: Values) -> float:
    """Return the share of variants under which the first model is better; a tie counts half.

    Args:
        first: Mean of the first model under each variant, float64 [variants].
        second: Mean of the second model under the same variants.
    """
    both = ~(np.isnan(first) | np.isnan(second))
    return float(np.mean((np.sign(first[both] - second[both]) + 1) / 2)) if both.any() else np.nan


def rank_draws(first: Values, second: Values, seed: int = 2024) -> Values:
    """Return the rank stability on draws of pairs and variants, float64 [replicates].

    Args:
        first: Mean of the first model under each variant, by draw, float64 [replicates, variants].
        second: Mean of the second model, on the same draws of pairs.
        seed: Seed of the draws of variants.
    """
    replicates, count = first.shape
    weights = _draws(np.random.default_rng(seed), count, replicates)
    return _weighted_mean((np.sign(first - second) + 1) / 2, weights)


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
