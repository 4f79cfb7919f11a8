"""A run, its scores and its report over all three protocols, with and without masks."""

import dataclasses

import pytest

from pixfoundation import api
from pixfoundation.conventions import DEFAULT, PUBLISHED
from pixfoundation.images import load_image
from pixfoundation.masks import Mask, union
from pixfoundation.models.base import Decoding
from pixfoundation.models.common.llama_tokens import LlamaTokens
from pixfoundation.models.llava_grounding.adapter import LlavaGroundingModel
from pixfoundation.prompts import build_prompt
from pixfoundation.report.page import write_report
from pixfoundation.scoring.score import ScoreOptions, score
from tests.doubles import ListDataset, make_samples

from . import tiny_checkpoint as tiny

DECODING = Decoding(max_new_tokens=12)


def make_model(core_of, **options):
    tokens = LlamaTokens(tiny.TOKENIZER, tiny.TAGS)
    return LlavaGroundingModel("llava-grounding", core_of("c"), tokens, image_side=128, **options)


@pytest.fixture
def boxes(tmp_path):
    samples = make_samples(tmp_path / "images", 2)
    samples[3] = dataclasses.replace(samples[3], mask=Mask.empty(samples[3].size), parts=())
    return ListDataset(samples)


@pytest.mark.parametrize("rules", [DEFAULT, PUBLISHED])
def test_run_score_report(rules, boxes, core_of, tmp_path):
    model = make_model(core_of)
    run = api.evaluate(
        model, boxes, out=tmp_path / "run", decoding=DECODING, batch_size=2, conventions=rules
    )
    assert run.config.grounding.name == "native"
    assert len(run.answers()) == 12
    scores = score(run, ScoreOptions(conventions=rules, selectors=["native", "oracle"]))
    ious = []
    for sample in boxes.samples:
        prompt = build_prompt(sample, 3, model.templates)
        (answer,) = model.answer([load_image(sample.image)], [prompt], DECODING)
        own = [native.mask for native in answer.masks]
        assert run.answers()[sample.id, 3].masks == len(own)
        ious.append((union(own) if own else Mask.empty(sample.size)).iou(sample.mask))
    assert scores.groundings[3, "native"].all_asked.value == pytest.approx(sum(ious) / len(ious))
    page = write_report([run], tmp_path / "page", scores=[scores]).read_text()
    assert "llava-grounding" in page


def test_no_mask_is_counted_and_shown(boxes, core_of, tmp_path):
    run = api.evaluate(
        make_model(core_of, threshold=0.95), boxes, out=tmp_path / "run", decoding=DECODING
    )
    assert all(record.masks == 0 for record in run.answers().values())
    scores = score(run, ScoreOptions(selectors=["native"]))
    native_scores = scores.groundings[3, "native"]
    assert (native_scores.no_mask, native_scores.missing) == (4, 0)
    assert native_scores.all_asked.value == 0.25  # an empty mask is right for one sample of four
    page = write_report([run], tmp_path / "page", scores=[scores]).read_text()
    assert '"no_mask":true' in page.replace(" ", "")


def test_a_run_with_another_threshold_is_another_run(boxes, core_of, tmp_path):
    from pixfoundation.errors import RunError

    out = tmp_path / "run"
    api.evaluate(make_model(core_of), boxes, out=out, decoding=DECODING, limit=1)
    with pytest.raises(RunError):
        api.evaluate(make_model(core_of, threshold=0.2), boxes, out=out, decoding=DECODING, limit=1)
