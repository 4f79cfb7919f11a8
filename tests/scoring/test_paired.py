"""S, Grove and the failure split, by hand."""

import numpy as np
import pytest

from pixfoundation.scoring.intervals import Bootstrap
from pixfoundation.scoring.iou import overlaps
from pixfoundation.scoring.paired import grove_score, harmonic_mean, s_score, split_failures

from .runs import EMPTY, columns, make_sample


@pytest.mark.parametrize(
    ("a", "m", "s"), [(0.52, 0.561, 0.540), (0.28, 0.259, 0.269), (0, 0, 0), (0, 1, 0), (1, 1, 1)]
)
def test_the_harmonic_mean_reproduces_published_rows(a, m, s):
    assert harmonic_mean(a, m) == pytest.approx(s, abs=5e-4)


def test_s_takes_the_greater_of_each_side():
    boot = Bootstrap([make_sample(str(i), None) for i in range(10)])
    low, high = boot.mean([0.0] * 10), boot.mean([1.0] * 5 + [0.0] * 5)
    third = boot.mean([0.25] * 10)
    found = s_score([low, high], [third, None])
    assert found.value == pytest.approx(2 * 0.5 * 0.25 / 0.75)
    assert s_score([None], [third]) is None
    assert s_score([low], [boot.mean([0.0] * 10)]).value == 0.0


def test_grove_is_the_mean_of_geometric_means():
    boot = Bootstrap([make_sample(str(i), None) for i in range(4)])
    right, iou = np.array([1.0, 0.0, 1.0, 1.0]), np.array([0.25, 1.0, np.nan, 1.0])
    assert grove_score(right, iou, boot).value == pytest.approx((0.5 + 0 + 1) / 3)


def test_pairs_split_by_what_succeeds():
    truth = columns(0, 4)
    good, half, bad = columns(0, 4), columns(0, 2), columns(6, 9)
    cases = [  # answers of the pair, masks of the pair, where the pair belongs
        ((1, 1), (good, good), "both"),
        ((1, 1), (good, half), "vqa_only"),  # 0.5 itself does not succeed
        ((1, 0), (good, good), "grounding_only"),
        ((1, 0), (bad, good), "neither"),
        ((0, 0), (None, None), "neither"),
    ]
    samples = [make_sample(f"{i}{j}", str(i), mask=truth) for i in range(5) for j in "ab"]
    masks = [mask for _, pair, _ in cases for mask in pair]
    right = np.array([float(r) for pair, _, _ in cases for r in pair])
    found = overlaps(samples, masks, [True] * 10)
    split = split_failures(right, found, samples, Bootstrap(samples)).to_json()
    assert split == {"both": 1, "vqa_only": 1, "grounding_only": 1, "neither": 2}


@pytest.mark.parametrize(
    ("mask", "succeeds"), [(EMPTY, True), (columns(0, 4), True), (columns(0, 5), False)]
)
def test_without_ground_truth_less_than_half_of_the_image_succeeds(mask, succeeds):
    samples = [make_sample("1", "p", mask=EMPTY), make_sample("2", "p", mask=EMPTY)]
    found = overlaps(samples, [EMPTY, mask], [True, True])
    split = split_failures(np.ones(2), found, samples, Bootstrap(samples))
    assert split.both == int(succeeds)


def test_without_pairs_there_is_no_split():
    samples = [make_sample("1", None)]
    found = overlaps(samples, [EMPTY], [True])
    assert split_failures(np.ones(1), found, samples, Bootstrap(samples)) is None
