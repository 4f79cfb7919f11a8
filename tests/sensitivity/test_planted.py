"""A model whose sensitivity is known: the summary finds what was planted, and nothing else."""

import zlib

import pytest

from pixfoundation.evaluation import evaluate
from pixfoundation.masks import Mask
from pixfoundation.sensitivity.runs import measure_sensitivity
from pixfoundation.types import NativeMask
from pixfoundation.variants import VariantPlan
from tests.doubles import BrightModel, ListDataset, make_samples

PLAN = VariantPlan(("templates", "typos", "grounding-typos"), 10)
FLIPPED = 4
"""The template that makes the model answer the other letter for half of the samples."""


class Fragile(BrightModel):
    """Answers wrongly under one template, and misses with its mask under typos of protocol 3."""

    def _one(self, image, prompt):
        answer = super()._one(image, prompt)
        base, _, variant = prompt.sample.partition("@")
        if variant == f"templates/{FLIPPED:02d}" and zlib.crc32(base.encode()) % 2:
            other = "B" if answer.text.strip().lower().startswith("a") else "A"
            return type(answer)(other, masks=answer.masks)
        if variant.startswith("grounding-typos") and int(variant[-2:]) % 2:
            corner = Mask.from_array([[i < 2 and j < 2 for j in range(32)] for i in range(24)])
            return type(answer)(answer.text, masks=(NativeMask(corner),))
        return answer


def summary_of(tmp_path, model):
    data = ListDataset(make_samples(tmp_path / "images", 12))
    run = evaluate(model, data, out=tmp_path / "run", variants=PLAN, protocols=(2, 3))
    return measure_sensitivity(run)


def test_the_template_that_flips_answers_is_found_with_its_share(tmp_path):
    sensitivity = summary_of(tmp_path, Fragile())
    templates = sensitivity.summary("templates", "accuracy.protocol2.question")
    share = sum(zlib.crc32(str(i).encode()) % 2 for i in range(24)) / 24
    assert templates.worst.index == FLIPPED
    assert templates.flips.value == pytest.approx(share / 10)
    corrected = [test.p_corrected for test in templates.tests]
    assert [i for i, p in enumerate(corrected) if p < 0.05] == [FLIPPED]
    typos = sensitivity.summary("typos", "accuracy.protocol2.question")
    assert typos.flips.value == 0
    assert typos.spread.range.value == 0


def test_masks_that_shift_under_typos_are_found(tmp_path):
    sensitivity = summary_of(tmp_path, Fragile())
    shifted = sensitivity.summary("grounding-typos", "miou.protocol3.native")
    assert shifted.flips.value == pytest.approx(0.5)
    assert shifted.shares.variant.value > 0.8
    means = shifted.spread.means
    assert (means[1::2] < 0.2).all()
    assert (means[::2] > 0.5).all()


def test_a_model_without_sensitivity_shows_none(tmp_path):
    sensitivity = summary_of(tmp_path, BrightModel())
    for summary in sensitivity.summaries:
        assert summary.flips.value == 0
        assert summary.spread.range.value == pytest.approx(0)
        assert all(test is None or test.p_corrected == 1 for test in summary.tests)
