"""Two prompts about one image: both masks, both answers, and how far they agree."""

import pytest

from pixfoundation.app.session import AUTOMATIC, Session
from pixfoundation.datasets import datasets
from tests.optional import needs

pytestmark = [needs("gradio", "spacy")]


class Stub:
    """A session that loads nothing and answers what it is told to."""

    def __init__(self, results):
        self.results, self.asked = list(results), []

    def check(self, image, expression, model, segmenter):
        return Session().check(image, expression, "tiny-llava", AUTOMATIC)

    def ground(self, image, expression, model, segmenter, selector, *, prompt=None):
        self.asked.append(prompt)
        return self.results.pop(0)


@pytest.fixture(scope="module")
def sample():
    return datasets.get("pixscenes")().samples[0]


@pytest.fixture(scope="module")
def results(sample):
    """One answer with a mask, one with the same mask, one without any."""
    from dataclasses import replace

    from pixfoundation.api import ground
    from pixfoundation.types import Selection

    found = ground(sample.image, sample.expression, selector="union")
    nothing = replace(found, selection=Selection("union", None))
    return found, nothing


def last(session, image, words, prompts):
    from pixfoundation.app.two_prompts import compare

    *_, update = compare(session, image, words, ("tiny-llava", AUTOMATIC, "union"), prompts)
    return update


def test_both_prompts_are_asked_with_the_expression_in_them(sample, results):
    session = Stub([results[0], results[0]])
    update = last(session, str(sample.image), "the house", ("Find {}.", "Where is {}? Show {}."))
    assert session.asked == ["Find the house.", "Where is the house? Show the house."]
    status, first, said, second, _, agreement = update
    assert status == ""
    assert first["value"].size == second["value"].size
    assert results[0].grounded.answer.text.strip()[:10] in said
    assert "IoU of 100 %" in agreement
    assert "The answers are the same" in agreement


def test_a_prompt_without_a_mask_is_said(sample, results):
    for order, text in (((0, 1), "Only prompt 1"), ((1, 0), "Only prompt 2"), ((1, 1), "Neither")):
        session = Stub([results[i] for i in order])
        assert text in last(session, str(sample.image), "the house", ("a {}", "b {}"))[-1]


@pytest.mark.parametrize(
    ("image", "words", "prompts", "said"),
    [
        (None, "the house", ("a", "b"), "There is no image"),
        ("image", " ", ("a", "b"), "The expression is empty"),
        ("image", "the house", ("a", " "), "Prompt 2 is empty"),
    ],
)
def test_what_cannot_be_asked_is_one_sentence(sample, image, words, prompts, said):
    path = str(sample.image) if image else None
    update = last(Stub([]), path, words, prompts)
    assert said in update[0]
    assert 'role="alert"' in update[0]
