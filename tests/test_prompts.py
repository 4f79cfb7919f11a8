"""Prompts are the published ones, word for word."""

from dataclasses import replace
from pathlib import Path

import pytest

from pixfoundation.masks import Mask
from pixfoundation.prompts import PromptTemplates, build_prompt
from pixfoundation.types import Sample

WINGS = Sample(
    id="1",
    image=Path("1.jpg"),
    size=(4, 4),
    question="Are the butterfly's wings closer to being open or closed?",
    options=("Open", "Closed"),
    answer="a",
    expression="the butterfly's wings",
    mask=Mask.empty((4, 4)),
)


@pytest.mark.parametrize(
    ("protocol", "text"),
    [
        (1, "Are the butterfly's wings closer to being open or closed? (a) Open (b) Closed"),
        (
            2,
            "Are the butterfly's wings closer to being open or closed? Options:\nA. Open\n"
            "B. Closed\nAnswer with the option's letter from the given choices directly.",
        ),
        (3, "Identify the butterfly's wings in the scene."),
    ],
)
def test_the_three_protocols(protocol, text):
    prompt = build_prompt(WINGS, protocol, PromptTemplates())
    assert prompt is not None
    assert (prompt.sample, prompt.protocol, prompt.text) == ("1", protocol, text)


def test_a_model_may_be_asked_its_own_way():
    lisa = PromptTemplates(identify="Can you segment {expression} in this image?")
    prompt = build_prompt(WINGS, 3, lisa)
    assert prompt is not None
    assert prompt.text == "Can you segment the butterfly's wings in this image?"


def test_a_benchmark_may_bring_its_own_wording_of_the_question():
    sample = replace(WINGS, prompt="How many? (A) 1 (B) 2")
    first, second = (build_prompt(sample, p, PromptTemplates()) for p in (1, 2))
    assert first is not None
    assert second is not None
    assert first.text == "How many? (A) 1 (B) 2"
    assert second.text == (
        "How many? (A) 1 (B) 2\nAnswer with the option's letter from the given choices directly."
    )


def test_nothing_is_asked_where_there_is_nothing_to_ask():
    assert build_prompt(replace(WINGS, expression=None), 3, PromptTemplates()) is None
    unasked = replace(WINGS, question=None, options=(), answer=None)
    assert build_prompt(unasked, 1, PromptTemplates()) is None
    assert build_prompt(unasked, 2, PromptTemplates()) is None
