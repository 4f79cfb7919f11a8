"""p-values that are right under the null, and small where something is there."""

import numpy as np
import pytest

from pixfoundation.emergence.permutation import shape_p, two_sided_p
from pixfoundation.scoring.multiple_tests import holm


def test_the_p_of_pure_chance_is_uniform():
    rng = np.random.default_rng(2)
    p = np.array([two_sided_p(rng.normal(), rng.normal(size=199)) for _ in range(2000)])
    assert np.mean(p <= 0.05) == pytest.approx(0.05, abs=0.02)
    assert np.mean(p) == pytest.approx(0.5, abs=0.03)


def test_what_was_observed_counts_as_a_draw():
    assert two_sided_p(9.0, np.zeros(99)) == 0.01
    assert two_sided_p(0.0, np.zeros(99)) == 1.0
    assert shape_p(np.array([9, 0]), np.tile([0, 9], (99, 1))) == 0.01
    assert shape_p(np.array([0, 9]), np.tile([0, 9], (99, 1))) == 1.0


def test_a_histogram_is_compared_in_all_its_bins():
    rng = np.random.default_rng(3)
    drawn = rng.multinomial(60, [1 / 3] * 3, 999)
    middle, usual = np.array([0, 60, 0]), np.array([22, 18, 20])
    assert shape_p(middle, drawn) == 0.001
    assert shape_p(usual, drawn) > 0.3
    values = np.array([shape_p(row, drawn) for row in rng.multinomial(60, [1 / 3] * 3, 1000)])
    assert np.mean(values <= 0.05) == pytest.approx(0.05, abs=0.025)


def test_without_draws_nothing_is_found():
    assert two_sided_p(1.0, np.zeros(0)) == 1.0
    assert shape_p(np.array([1, 0]), np.zeros((0, 2), int)) == 1.0


def test_several_tests_are_adjusted_by_holm():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.5]) == [1.0, 1.0]
    assert holm([]) == []
