"""Variants of samples whose truth is boxes, holds ignored pixels, or says that nothing is there."""

import json
from dataclasses import replace

import numpy as np
import pytest

from pixfoundation.masks import Mask
from pixfoundation.runs.variants import VariantRecord, variant_id, variant_line
from pixfoundation.variants import VariantPlan, kinds
from tests.doubles import make_samples

IMAGE_KINDS = ("crop", "maskout", "flip", "rotate", "jpeg", "other-image")
SIZE = (90, 120)
BOX = (20.0, 30.0, 80.0, 80.0)


def blank(size=SIZE):
    return np.zeros(size, bool)


@pytest.fixture
def samples(tmp_path):
    """A pair with boxes and ignored pixels, whose question speaks of no side."""
    ignored = blank()
    ignored[30:50, 70:110] = True
    made = []
    for place, sample in enumerate(make_samples(tmp_path / "images", 1)):
        mask = Mask.from_box(BOX, SIZE)
        made.append(
            replace(
                sample, size=SIZE, mask=mask, parts=(mask,), boxes=(BOX,), expression="the cat",
                question="What is it?", options=(), answer=None, references=(f"cat {place}",),
                ignored=Mask.from_array(ignored) if place == 0 else None,
            )
        )  # fmt: skip
    return made


@pytest.mark.parametrize("kind", IMAGE_KINDS)
def test_boxes_and_ignored_pixels_go_with_the_image(samples, kind):
    bases = {sample.id: sample for sample in samples}
    for varied in VariantPlan((kind,), 3).vary(samples):
        assert varied.skipped is None
        base, new = bases[varied.sample.id], varied.sample
        assert [Mask.from_box(box, new.size).box for box in new.boxes] == [new.mask.box]
        if varied.change is not None and base.ignored is not None:
            assert new.ignored == varied.change.apply_to_mask(base.ignored)
        line = json.loads(json.dumps(variant_line(varied, base)))
        again = VariantRecord.from_json(line).of(base)
        id = variant_id(base.id, varied.variant)
        assert again == replace(varied, sample=replace(new, id=id))


def test_a_change_that_moves_nothing_keeps_boxes_to_the_digit(samples):
    exact = (20.25, 30.5, 80.75, 80.0)
    one = replace(samples[0], boxes=(exact,), pair=None)
    (varied,) = VariantPlan(("jpeg",), 1).vary([one])
    assert varied.sample.boxes == (exact,)


def test_the_other_image_brings_its_own_truth(samples):
    first, second = VariantPlan(("other-image",), 1).vary(samples)
    assert first.sample.references == ("cat 1",)
    assert first.sample.ignored == Mask.empty(SIZE)
    assert second.sample.ignored == samples[0].ignored


@pytest.mark.parametrize("kind", ["flip", "rotate", "jpeg"])
def test_an_empty_part_still_says_that_no_evidence_is_needed(samples, kind):
    empty = Mask.empty(SIZE)
    base = replace(
        samples[0], mask=empty, parts=(empty,), boxes=(), expression=None, ignored=None, pair=None
    )
    (varied, *_) = VariantPlan((kind,), 1).vary([base])
    assert varied.sample.has_truth


def test_kinds_that_do_not_apply_say_why(samples):
    one = samples[0]
    bare = replace(one, mask=Mask.empty(SIZE), parts=(), boxes=(), ignored=None, pair=None)
    cases = {
        "an expression alone": replace(one, question=None, references=(), pair=None),
        "a question alone": replace(bare, expression=None),
    }
    reasons = {
        name: {
            varied.variant.kind: varied.skipped
            for varied in VariantPlan(tuple(k.name for k in kinds), 1).vary([sample])
        }
        for name, sample in cases.items()
    }
    assert {k for k, why in reasons["an expression alone"].items() if why is not None} == {
        "typos", "templates", "paraphrases", "other-image",
    }  # fmt: skip
    assert {k for k, why in reasons["a question alone"].items() if why is not None} >= {
        "grounding", "grounding-boxes", "grounding-typos", "expression-typos", "crop", "maskout",
        "other-image",
    }  # fmt: skip
    assert reasons["an expression alone"]["typos"] == "it has no question"
    assert reasons["a question alone"]["crop"] == "it has no object to crop to"
