"""Answers that are read give the text, the masks and the attention of generating them."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import pixfoundation as pf
from pixfoundation.models.base import Decoding, GivenAnswer
from pixfoundation.models.common.qwen_pixel.prompting import PADS
from pixfoundation.types import Ended, Prompt, Protocol
from tests.models.qwen_pixel.against_plain import picture
from tests.models.qwen_pixel.tiny_checkpoint import UNIGR, UNIPIXEL, write

GREEDY = Decoding(max_new_tokens=8)
SEEN = replace(GREEDY, attention=True)
QUESTIONS = ("What is it?", "Please segment the cat in this image.", "Is the door open?")
PICTURES = [picture(90, 60), picture(60, 90), picture(90, 60)]


@pytest.fixture(scope="module", params=["unigr", "unipixel"])
def model(request, tmp_path_factory) -> Any:
    family = {"unigr": UNIGR, "unipixel": UNIPIXEL}[request.param]
    folder = write(tmp_path_factory.mktemp(request.param), family).folder
    sizes = family.sam.given
    if request.param == "unipixel":
        del sizes["image_size"]
    model: Any = pf.load_model(str(folder), device="cpu", sam2_sizes=sizes)
    marks = [
        *PADS.values(),
        "<|vision_start|>",
        "<|vision_end|>",
    ]  # in no answer of trained weights
    ids = model.processor.tokenizer.convert_tokens_to_ids(marks)
    model._generator.defaults.suppress_tokens = ids
    return model


def asked(protocol: Protocol = 1):
    return [Prompt(str(i), protocol, text) for i, text in enumerate(QUESTIONS)]


def given(answers):
    return [GivenAnswer(a.text, a.token_ids, a.thoughts, a.ended, a.error) for a in answers]


def assert_same(read: Any, generated: Any):
    for one, other in zip(read, generated, strict=True):
        assert one.error is None
        assert (one.text, one.token_ids, one.spans) == (other.text, other.token_ids, other.spans)
        assert one.ended == other.ended
        assert [m.phrase for m in one.masks] == [m.phrase for m in other.masks]
        for mine, theirs in zip(one.masks, other.masks, strict=True):
            assert np.mean(mine.mask.decode() != theirs.mask.decode()) < 0.002


@pytest.mark.parametrize("shared", [False, True])
def test_masks_and_attention_are_those_of_generating(model: Any, shared):
    images = [PICTURES[0]] * 3 if shared else PICTURES
    generated = model.answer(images, asked(), SEEN)
    assert sum(len(a.masks) for a in generated), "the test needs a mask"
    model.forget_image()
    read = model.read(images, asked(), given(generated), SEEN)
    assert_same(read, generated)
    for one, other in zip(read, generated, strict=True):
        np.testing.assert_allclose(one.trace.rows, other.trace.rows, atol=1e-4)
        np.testing.assert_allclose(one.trace.first_row, other.trace.first_row, atol=1e-4)


def test_without_attention_the_masks_are_read_nevertheless(model: Any):
    protocols: tuple[Protocol, ...] = (1, 3)
    for protocol in protocols:  # UniGR answers protocol 3 by a forced reply
        generated = model.answer(PICTURES, asked(protocol), GREEDY)
        read = model.read(PICTURES, asked(protocol), given(generated), GREEDY)
        assert_same(read, generated)
        assert all(answer.trace is None for answer in read)


def test_a_text_with_the_mark_gives_a_mask_and_one_without_gives_none(model: Any):
    mark = model.network.family.seg_token
    written = [
        GivenAnswer(f"The cat {mark}."),
        GivenAnswer("The cat."),
        GivenAnswer("", error="no"),
    ]
    read = model.read(PICTURES, asked(), written, GREEDY)
    assert [None if a.masks is None else len(a.masks) for a in read] == [1, 0, None]
    assert [a.text for a in read] == ["The cat .", "The cat.", ""]
    assert read[0].ended is Ended.STOP
    assert read[2].error == "no"
