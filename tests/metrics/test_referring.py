"""Scores of referring segmentation, held against loops over pixels written from the rules."""

import numpy as np
import pytest

from pixfoundation.errors import DataError
from pixfoundation.masks import Mask
from pixfoundation.metrics import (
    RULES,
    IgnoredPixels,
    NothingFound,
    ReferringConvention,
    ReferringRules,
    count_regions,
    measure_referring,
    score_referring,
)

SIZE = (7, 9)


def draw(seed, number=200):
    """Return arrays (predictions, targets, ignored pixels, statements) with every kind of case."""
    generator = np.random.default_rng(seed)
    shape = (number, *SIZE)
    density = generator.choice([0, 0.3, 0.8], size=(3, number, 1, 1))
    predicted, target, ignored = (generator.random(shape) < d for d in density)
    ignored &= ~target & (generator.random((number, 1, 1)) < 0.5)
    said = generator.choice([True, False], size=number)
    return predicted, target, ignored, said


def scores_of(arrays, convention, said=None):
    predicted, target, ignored = ([Mask.from_array(a) for a in stack] for stack in arrays)
    rules = RULES[ReferringConvention(convention)]
    counts = count_regions(predicted, target, ignored, rules.ignored)
    return score_referring(measure_referring(counts, rules, said))


def plain_lisa(predicted, target, ignored):
    """LISA: ignored pixels vanish from both; two empty masks are 1; each area joins cIoU."""
    ious, above, below = [], 0, 0
    for p, t, g in zip(predicted, target, ignored, strict=True):
        p = p & ~g
        i, u = (p & t).sum(), (p | t).sum()
        ious.append(1.0 if u == 0 else i / u)
        above, below = above + i, below + u
    return np.mean(ious), above / below


def plain_gres(predicted, target, said, *, reject):
    """ReLA (`reject`) and GSVA: what the model says decides where there is nothing."""
    ious, above, below, right = [], 0, 0, {True: [], False: []}
    for p, t, s in zip(predicted, target, said, strict=True):
        i, u = (p & t).sum(), (p | t).sum()
        right[bool(t.any())].append(s != t.any())
        if not t.any():
            ious.append(float(s))
            below += 0 if s else u
            continue
        if s and reject:
            i = 0
        ious.append(i / u)
        above, below = above + i, below + u
    return np.mean(ious), above / below, np.mean(right[False]), np.mean(right[True])


def plain_visionreasoner(predicted, target, ignored):
    """VisionReasoner: ignored pixels are target, and two empty masks are 0."""
    ious, above, below = [], 0, 0
    for p, t, g in zip(predicted, target, ignored, strict=True):
        t = t | g
        i, u = (p & t).sum(), (p | t).sum()
        ious.append(i / u if u else 0.0)
        above, below = above + i, below + u
    return np.mean(ious), above / below


@pytest.mark.parametrize("seed", range(3))
def test_lisa(seed):
    *arrays, _ = draw(seed)
    scores = scores_of(arrays, "lisa")
    assert (scores.giou, scores.ciou) == pytest.approx(plain_lisa(*arrays), abs=1e-12)


@pytest.mark.parametrize(("convention", "reject"), [("rela", True), ("gsva", False)])
@pytest.mark.parametrize("seed", range(3))
def test_gres(seed, convention, reject):
    predicted, target, _, said = draw(seed)
    nothing = np.zeros_like(target)
    scores = scores_of((predicted, target, nothing), convention, said.tolist())
    expected = plain_gres(predicted, target, said, reject=reject)
    own = (scores.giou, scores.ciou, scores.n_acc, scores.t_acc)
    assert own == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_visionreasoner(seed):
    *arrays, _ = draw(seed)
    scores = scores_of(arrays, "visionreasoner")
    assert (scores.giou, scores.ciou) == pytest.approx(plain_visionreasoner(*arrays), abs=1e-12)


def test_the_conventions_differ_on_the_same_masks():
    *arrays, said = draw(0)
    assert len({scores_of(arrays, c, said.tolist()).giou for c in ReferringConvention}) == 4


def test_precision_is_over_expressions_with_a_target_and_includes_the_threshold():
    half = Mask.from_array([[1, 1, 0, 0]])
    full, nothing = Mask.full((1, 4)), Mask.empty((1, 4))
    counts = count_regions([half, full, nothing], [full, full, nothing])
    precision = score_referring(measure_referring(counts)).precision
    assert precision == {0.5: 1.0, 0.6: 0.5, 0.7: 0.5, 0.8: 0.5, 0.9: 0.5}


def test_what_no_sample_defines_is_none():
    full, nothing = Mask.full((2, 2)), Mask.empty((2, 2))
    with_target = score_referring(measure_referring(count_regions([full], [full])))
    assert (with_target.n_acc, with_target.t_acc) == (None, 1.0)
    without = score_referring(measure_referring(count_regions([nothing], [nothing])))
    assert (without.ciou, without.t_acc, without.precision[0.5]) == (None, None, None)
    assert (without.giou, without.n_acc) == (1.0, 1.0)
    none_at_all = score_referring(measure_referring(count_regions([], [])))
    assert (none_at_all.giou, none_at_all.n) == (None, 0)


def test_an_expression_can_be_dropped():
    nothing, full = Mask.empty((2, 2)), Mask.full((2, 2))
    rules = ReferringRules(nothing_found=NothingFound.DROP)
    overlaps = measure_referring(count_regions([nothing, full], [nothing, full]), rules)
    assert score_referring(overlaps).n == 1


def test_a_target_is_never_ignored():
    target, ignored = Mask.from_array([[1, 1, 0]]), Mask.from_array([[0, 1, 1]])
    counts = count_regions([Mask.full((1, 3))], [target], [ignored], IgnoredPixels.LEAVE_OUT)
    assert (counts.intersection[0], counts.union[0], counts.predicted[0]) == (2, 2, 2)


def test_an_area_within_ignored_pixels_is_an_empty_prediction():
    nothing, ignored = Mask.empty((1, 3)), Mask.from_array([[0, 1, 1]])
    overlaps = measure_referring(count_regions([ignored], [nothing], [ignored]))
    assert overlaps.iou.tolist() == [1.0]
    assert overlaps.said_none.tolist() == [True]


def test_a_model_that_states_nothing_says_it_by_an_empty_mask():
    nothing, full = Mask.empty((1, 3)), Mask.full((1, 3))
    counts = count_regions([nothing, full, full], [full, nothing, full])
    overlaps = measure_referring(counts, RULES[ReferringConvention.RELA], [None, None, True])
    assert overlaps.said_none.tolist() == [True, False, True]
    assert overlaps.iou.tolist() == [0.0, 0.0, 0.0]


def test_numbers_that_do_not_belong_together_are_refused():
    full = Mask.full((1, 3))
    with pytest.raises(DataError, match="1, 2 and 2"):
        count_regions([full], [full, full])
    counts, rules = count_regions([full], [full]), RULES[ReferringConvention.GSVA]
    with pytest.raises(DataError, match="2 statements for 1"):
        measure_referring(counts, rules, [True, True])
