"""Every figure carries n and an interval; pairs are drawn together."""

import numpy as np
import pytest

from pixfoundation.scoring.intervals import Bootstrap, Estimate

from .runs import make_sample

PAIRED = [make_sample(str(i), str(i // 2)) for i in range(200)]
SINGLE = [make_sample(str(i), None) for i in range(200)]


def test_a_mean_leaves_out_what_does_not_count():
    figure = Bootstrap(SINGLE[:4]).mean([1.0, np.nan, 0.0, np.nan])
    assert (figure.value, figure.n) == (0.5, 2)


def test_nothing_measured_has_no_value_and_no_interval():
    figure = Bootstrap(SINGLE[:2]).mean([np.nan, np.nan])
    assert (figure.value, figure.n, figure.interval) == (None, 0, None)
    assert Bootstrap([]).mean([]).value is None


def test_a_ratio_is_of_sums():
    figure = Bootstrap(SINGLE[:3]).ratio([1, 2, np.nan], [2, 6, 5])
    assert (figure.value, figure.n) == (pytest.approx(3 / 8), 2)


def test_the_bounds_are_numpys_percentiles_bit_by_bit():
    generator = np.random.default_rng(0)
    for replicates in (1, 2, 3, 21, 40, 41, 999, 1000):
        draws = np.round(generator.normal(size=replicates), generator.integers(1, 17))
        draws[generator.random(replicates) < 0.1] = np.nan
        draws[0] = 0.1
        bounds = Estimate(0.0, 2, draws).interval
        assert bounds == tuple(np.nanpercentile(draws, [2.5, 97.5]))


def test_the_interval_is_that_of_the_normal_approximation_for_many_samples():
    values = np.random.default_rng(0).random(200)
    low, high = Bootstrap(SINGLE, replicates=4000).mean(values).interval
    error = values.std() / np.sqrt(200)
    assert low == pytest.approx(values.mean() - 1.96 * error, abs=0.2 * error)
    assert high == pytest.approx(values.mean() + 1.96 * error, abs=0.2 * error)


def test_equal_members_of_pairs_widen_the_interval_by_root_two():
    values = np.repeat(np.random.default_rng(1).random(100), 2)

    def width(samples):
        low, high = Bootstrap(samples, replicates=4000).mean(values).interval
        return high - low

    assert width(PAIRED) / width(SINGLE) == pytest.approx(np.sqrt(2), rel=0.1)


def test_the_same_seed_gives_the_same_interval():
    values = np.random.default_rng(2).random(200)
    first, second, other = (Bootstrap(PAIRED, 100, seed).mean(values) for seed in (1, 1, 2))
    assert first.interval == second.interval != other.interval
