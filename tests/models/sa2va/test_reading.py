"""Answers that Sa2VA reads give the text, the masks and the attention of generating them."""

from dataclasses import replace

import numpy as np
import pytest

from pixfoundation.models.base import Decoding, GivenAnswer, ReadsAnswers
from pixfoundation.types import Prompt
from tests.models.sa2va import tiny_sa2va as tiny
from tests.models.sa2va.conftest import noise
from tests.models.sa2va.test_adapter import QUESTIONS, same

GREEDY = Decoding(max_new_tokens=12)
ASKED = [Prompt(str(i), 1, text) for i, text in enumerate((*QUESTIONS, "Where is [SEG] in it?"))]


def given(answers):
    return [GivenAnswer(a.text, a.token_ids, a.thoughts, a.ended, a.error) for a in answers]


@pytest.mark.parametrize("kind", tiny.KINDS)
def test_masks_and_attention_are_those_of_generating(loaded, kind):
    model, image = loaded(kind), noise(46, 44)
    assert isinstance(loaded(kind), ReadsAnswers)
    other = noise(60, 30, 1)
    seen = replace(GREEDY, attention=True)
    images = [image, image, image, other]
    generated = model.answer(images, ASKED, seen)
    assert sum(len(a.masks) for a in generated)
    model.forget_image()
    for decoding in (seen, GREEDY):
        for one, whole in zip(
            model.read(images, ASKED, given(generated), decoding), generated, strict=True
        ):
            assert one.error is None
            assert one.ended == whole.ended
            same(one, whole)
            if decoding.attention:
                np.testing.assert_allclose(one.trace.rows, whole.trace.rows, atol=1e-4)
            else:
                assert one.trace is None


def test_a_seg_at_the_end_of_a_cut_answer_gives_no_mask_when_read(made, loaded):
    model, image = loaded("internvl"), noise(46, 44)
    (whole,) = model.answer([image], ASKED[1:2], GREEDY)
    place = whole.token_ids.index(made("internvl").seg)
    (cut,) = model.answer([image], ASKED[1:2], Decoding(max_new_tokens=place + 1))
    (read,) = model.read([image], ASKED[1:2], given([cut]), GREEDY)
    same(read, cut)
    assert not read.masks


@pytest.mark.parametrize("kind", ["internlm2", "qwen3"])
def test_a_text_is_tokenised_with_its_marks(loaded, kind):
    model, image = loaded(kind), noise(46, 44)
    written = [GivenAnswer("the cat [SEG]"), GivenAnswer("the cat"), GivenAnswer("a <img>")]
    mark = "<IMG_CONTEXT>" if kind == "internlm2" else "<|image_pad|>"
    written[2] = GivenAnswer(f"a {mark}")
    read = model.read([image] * 3, ASKED[:3], written, GREEDY)
    assert [a.masks is not None and len(a.masks) for a in read[:2]] == [1, 0]
    assert read[1].text.strip() == "the cat"
    assert "special token" in read[2].error
