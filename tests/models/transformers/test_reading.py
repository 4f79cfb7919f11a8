"""Answers of others are read by one forward: the rows are those of generating them."""

from dataclasses import replace

import numpy as np
import pytest

from pixfoundation.models.base import Decoding, GivenAnswer
from pixfoundation.models.transformers.adapter import load
from pixfoundation.types import Ended
from tests.models.transformers.test_adapter import PICTURES, QUESTIONS, ask
from tests.tiny_checkpoints import FAMILIES, saved

GREEDY = Decoding(max_new_tokens=6, attention=True)
SHORT = Decoding(max_new_tokens=3, attention=True)


def as_given(answers):
    return [GivenAnswer(a.text, a.token_ids, a.thoughts, a.ended, a.error) for a in answers]


def assert_equal(read, generated, atol=1e-5):
    for one, other in zip(read, generated, strict=True):
        assert (one.text, one.token_ids, one.spans) == (other.text, other.token_ids, other.spans)
        assert one.ended == other.ended
        assert one.error is None
        assert one.trace.frame == other.trace.frame
        np.testing.assert_allclose(one.trace.rows, other.trace.rows, atol=atol)
        np.testing.assert_allclose(one.trace.first_row, other.trace.first_row, atol=atol)


def generated_lengths(model, images, prompts):
    """Answers of different lengths, as a batch of real answers has them."""
    answers = []
    for place, (image, prompt) in enumerate(zip(images, prompts, strict=True)):
        answers += model.answer([image], [prompt], SHORT if place % 2 else GREEDY)
    return answers


@pytest.mark.parametrize("name", FAMILIES)
def test_a_batch_of_images_reads_the_rows_of_generating(name):
    model = load(str(saved(name)))
    prompts = [ask(text) for text in QUESTIONS]
    generated = generated_lengths(model, PICTURES, prompts)
    assert_equal(model.read(PICTURES, prompts, as_given(generated), GREEDY), generated)


@pytest.mark.parametrize("name", FAMILIES)
def test_questions_about_one_image_share_its_prefix_and_read_the_rows_of_generating(name):
    model = load(str(saved(name)))
    prompts = [ask(text) for text in (*QUESTIONS, *QUESTIONS[:2])]
    images = [PICTURES[0]] * 3 + [PICTURES[1]] * 2
    generated = generated_lengths(load(str(saved(name)), share_prefix=False), images, prompts)
    assert_equal(model.read(images, prompts, as_given(generated), GREEDY), generated)


def test_an_answer_that_ended_by_itself_is_read_up_to_the_row_that_emitted_its_stop_token():
    model = load(str(saved("llava")))
    (cut,) = model.answer(PICTURES[:1], [ask(QUESTIONS[0])], GREEDY)
    model._generator.defaults.eos_token_id = cut.token_ids[3]
    generated = model.answer(PICTURES[:1], [ask(QUESTIONS[0])], GREEDY)
    assert generated[0].ended is Ended.STOP
    assert_equal(
        model.read(PICTURES[:1], [ask(QUESTIONS[0])], as_given(generated), GREEDY), generated
    )


def test_tokens_of_another_tokenizer_are_not_taken():
    model = load(str(saved("llava")))
    (own,) = model.answer(PICTURES[:1], [ask(QUESTIONS[0])], GREEDY)
    foreign = GivenAnswer("the cat", tuple(reversed(own.token_ids)), ended=Ended.LENGTH)
    (read,) = model.read(PICTURES[:1], [ask(QUESTIONS[0])], [foreign], GREEDY)
    assert read.text == "the cat"
    assert read.token_ids != foreign.token_ids


def test_one_answer_that_cannot_be_read_costs_itself_only():
    model = load(str(saved("llava")))
    prompts = [ask(text) for text in QUESTIONS]
    generated = model.answer(PICTURES, prompts, GREEDY)
    given = as_given(generated)
    given[1] = GivenAnswer("an <image>")
    read = model.read(PICTURES, prompts, given, GREEDY)
    assert read[1].error is not None
    assert "special token" in read[1].error
    assert_equal([read[0], read[2]], [generated[0], generated[2]])


def test_the_image_is_read_once_for_the_answers_to_all_its_questions():
    model = load(str(saved("llava")))
    prompts = [ask(text) for text in QUESTIONS]
    given = as_given(model.answer([PICTURES[0]] * 3, prompts, GREEDY))
    model.forget_image()
    seen = []
    model._model.model.vision_tower.register_forward_hook(lambda *_: seen.append(1))
    model.read([PICTURES[0]] * 3, prompts, given, GREEDY)
    assert len(seen) == 1


def test_without_attention_nothing_is_forwarded():
    model = load(str(saved("llava")))
    given = as_given(model.answer(PICTURES, [ask(text) for text in QUESTIONS], GREEDY))
    seen = []
    model._model.register_forward_hook(lambda *_: seen.append(1))
    read = model.read(
        PICTURES, [ask(t) for t in QUESTIONS], given, replace(GREEDY, attention=False)
    )
    assert [a.token_ids for a in read] == [g.token_ids for g in given]
    assert not seen
