"""The statistics find what was planted, and nothing where nothing was."""

# pyright: reportOptionalMemberAccess=false, reportOptionalSubscript=false
# pyright: reportOptionalOperand=false, reportOperatorIssue=false, reportArgumentType=false
# pyright: reportGeneralTypeIssues=false, reportOptionalIterable=false, reportCallIssue=false
# pyright: reportAttributeAccessIssue=false

import numpy as np
import pytest

from pixfoundation.sensitivity.agreement import (
    interval_alpha,
    nominal_alpha,
    variance_components,
    variance_shares,
)
from pixfoundation.sensitivity.statistics import (
    Resampling,
    VariantTable,
    flips,
    rank_draws,
    rank_stability,
    spread,
    worse_than_default,
)

NAN = np.nan


def table(values, default=None):
    values = np.asarray(values, float)
    items = values.shape[1]
    default = values[0] if default is None else np.asarray(default, float)
    return VariantTable(default, values, np.arange(items) // 2)


def planted(rows=8, items=200, worse=None, seed=0):
    rng = np.random.default_rng(seed)
    default = (rng.random(items) < 0.7).astype(float)
    values = np.repeat(default[None], rows, axis=0)
    if worse is not None:
        hit = rng.permutation(items)[: items // 4]
        values[worse, hit] = 1 - values[worse, hit]
    return table(values, default)


def test_nothing_varies_where_nothing_was_planted():
    same = planted()
    draws = Resampling(same, 200)
    measured = spread(same, draws)
    assert measured.mean.value == pytest.approx(measured.default.value)
    assert measured.deviation.value == pytest.approx(0)
    assert measured.range.value == 0
    assert flips(same, draws).value == 0
    assert nominal_alpha(same.values) == 1
    assert all(test.p_corrected == 1 for test in worse_than_default(same))
    assert variance_components(same.values) == (0, 1, 0)


def test_a_template_that_flips_a_quarter_is_found_and_no_other():
    some = planted(worse=4)
    draws = Resampling(some, 200)
    assert flips(some, draws).value == pytest.approx(0.25 / 8)
    measured = spread(some, draws)
    assert measured.worst == 4
    tests = worse_than_default(some)
    assert [t.p_corrected < 0.05 for t in tests] == [i == 4 for i in range(8)]
    assert 0 < nominal_alpha(some.values) < 1


def test_the_correction_for_having_looked_at_all_keeps_its_level():
    rng = np.random.default_rng(1)
    hits = 0
    for seed in range(60):
        noise = table(rng.normal(size=(10, 40)), rng.normal(size=40))
        tests = worse_than_default(noise, seed, 400)
        hits += min(t.p_corrected for t in tests) < 0.05
    assert hits <= 9


def test_shares_of_variance_are_those_that_were_planted():
    rng = np.random.default_rng(3)
    items, rows = 400, 60
    values = (
        rng.normal(0, 2, items)[None]
        + rng.normal(0, 1, rows)[:, None]
        + rng.normal(0, 1, (rows, items))
    )
    shares = variance_shares(table(values), Resampling(table(values), 100))
    assert shares is not None
    found = [shares.variant.value, shares.sample.value, shares.interaction.value]
    assert found == pytest.approx([1 / 6, 4 / 6, 1 / 6], abs=0.05)
    low, high = shares.variant.interval
    assert low < 1 / 6 < high


def test_the_interval_covers_other_pairs_and_other_variants():
    rng = np.random.default_rng(5)
    covered = 0
    for seed in range(60):
        values = (
            rng.normal(0.5, 0.2, (12, 1)) + rng.normal(0, 1, (1, 60)) + rng.normal(0, 0.5, (12, 60))
        )
        one = table(values)
        low, high = spread(one, Resampling(one, 300, seed)).mean.interval
        covered += low < 0.5 < high
    assert covered >= 50


def test_missing_cells_do_not_count():
    one = table([[1, NAN, 0, 1], [0, NAN, 0, NAN]], [1, 1, 0, 1])
    draws = Resampling(one, 50)
    measured = spread(one, draws)
    assert measured.default.value == pytest.approx(2 / 3)
    assert measured.default.n == 3
    assert measured.means == pytest.approx([2 / 3, 0])
    assert flips(one, draws).value == pytest.approx(1 / 5)


def test_a_variant_without_items_is_left_out():
    one = table([[NAN, NAN], [1.0, 0.0]], [1, 1])
    assert worse_than_default(one)[0] is None
    assert spread(one, Resampling(one, 20)).deviation.value is None
    assert spread(one, Resampling(one, 20)).worst == 1


def test_krippendorffs_alpha_of_his_example():
    # Krippendorff (2011), "Computing Krippendorff's Alpha-Reliability": observers A to D.
    ratings = np.array(
        [
            [1, 2, 3, 3, 2, 1, 4, 1, 2, NAN, NAN, NAN],
            [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, NAN, 3],
            [NAN, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, NAN],
            [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, NAN],
        ]
    )
    assert nominal_alpha(ratings) == pytest.approx(0.743, abs=5e-4)
    assert interval_alpha(ratings) == pytest.approx(0.849, abs=5e-4)


def test_alpha_is_not_defined_where_all_values_are_the_same():
    assert np.isnan(nominal_alpha(np.ones((3, 4))))
    assert np.isnan(interval_alpha(np.ones((3, 4))))


def test_ranks_are_stable_where_one_model_is_always_better():
    first = np.array([0.6, 0.7, NAN, 0.5])
    assert rank_stability(first, first - 0.1) == 1
    assert rank_stability(first, np.array([0.7, 0.6, 0.1, 0.5])) == 0.5


def test_the_same_seed_draws_the_same():
    one = planted(worse=1)
    first, second = (spread(one, Resampling(one, 100, 7)).mean.draws for _ in range(2))
    assert (first == second).all()


def test_the_worst_and_the_best_variant_have_intervals():
    found = planted(worse=3)
    own = spread(found, Resampling(found, 500))
    low, high = own.least.interval
    assert low <= own.least.value <= high
    assert own.least.value == own.means[3]
    assert own.greatest.value - own.least.value == pytest.approx(own.range.value)
    of_variant = own.interval_of(3)
    assert of_variant[0] <= own.means[3] <= of_variant[1]


def test_a_single_pair_has_no_interval_under_one_prompt():
    one = table(np.array([[1.0, 0.0], [1.0, 1.0]]))
    found = spread(one, Resampling(one, 50, 0))
    assert (found.default.value, found.default.interval) == (0.5, None)
    assert found.interval_of(1) is None


def test_a_rank_has_an_interval_over_pairs_and_variants():
    rng = np.random.default_rng(0)
    first = rng.normal(0.6, 0.05, (400, 10))
    draws = rank_draws(first, np.full((400, 10), 0.6))
    assert 0.3 < draws.mean() < 0.7
    assert rank_draws(first, first - 1).min() == 1.0
    assert (rank_draws(first, first) == 0.5).all()
