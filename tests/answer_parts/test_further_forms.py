"""Further forms of thoughts, as an outsider might try them."""

from __future__ import annotations

import pytest

from pixfoundation.answer_parts import take_apart


@pytest.mark.parametrize(
    "text",
    [
        "<plan>(a)</plan>B",
        "<internal_monologue>(a)</internal_monologue>B",
        "<inner_thoughts>(a)</inner_thoughts>B",
        "<chain_of_thought>(a)</chain_of_thought>B",
        "<|think|>(a)<|/think|>B",
        "<|start_of_thought|>(a)<|end_of_thought|>B",
        "[BEGIN_THOUGHT](a)[END_THOUGHT]B",
        "[reasoning](a)[/reasoning]B",
        "analysisit is (a)assistantfinalB",
        "<analysis>(a)</analysis>B",
    ],
)
def test_thoughts_are_no_answer(text: str):
    parts = take_apart(text)
    assert parts.text == "B"
    assert "(a)" in parts.thoughts
    assert not parts.unfinished


@pytest.mark.parametrize("text", ["<plan>(a) and then", "<|think|>(a)", "[BEGIN_THOUGHT](a)"])
def test_a_text_that_ends_inside_them_has_no_answer(text: str):
    assert take_apart(text).text == ""
    assert take_apart(text).unfinished


@pytest.mark.parametrize("text", ["analysis of the picture: B", "[B]", "A plan: B", "a < b"])
def test_ordinary_words_are_no_markers(text: str):
    assert take_apart(text).text == text
