"""Options that carry their letters are not lettered twice."""

from pathlib import Path

import pytest

from pixfoundation.masks import Mask
from pixfoundation.option_letters import bare_options
from pixfoundation.prompts import PromptTemplates, build_prompt
from pixfoundation.types import Sample


def sample(question, options):
    return Sample(
        id="1", image=Path("1.png"), size=(2, 2), question=question, options=tuple(options),
        answer="b", expression="door", mask=Mask.empty((2, 2)),
    )  # fmt: skip


@pytest.mark.parametrize(
    "options",
    [
        ("(a) Open", "(b) Closed"),
        ("(A) Open", "(B) Closed"),
        ("A. Open", "B. Closed"),
        ("a) Open", "b) Closed"),
        ("A: Open", "B: Closed"),
        ("[a] Open", "[b] Closed"),
    ],
)
def test_own_letters_are_taken_off(options):
    assert bare_options(options) == ("Open", "Closed")
    asked = build_prompt(sample("Is it open?", options), 1, PromptTemplates())
    assert asked.text == "Is it open? (a) Open (b) Closed"
    asked = build_prompt(sample("Is it open?", options), 2, PromptTemplates())
    assert "Options:\nA. Open\nB. Closed\n" in asked.text


@pytest.mark.parametrize(
    "options",
    [("Open", "Closed"), ("A. Smith", "C. Doe"), ("a door", "b"), ("(b) Open", "(a) Closed"), ()],
)
def test_other_texts_stay_as_they_are(options):
    assert bare_options(options) == options


def test_a_question_that_lists_its_options_gets_them_once():
    asked = build_prompt(
        sample("Is it open? (a) Open (b) Closed", ("Open", "Closed")), 1, PromptTemplates()
    )
    assert asked.text == "Is it open? (a) Open (b) Closed"
    lines = "Is it open? Options:\nA. Open\nB. Closed"
    asked = build_prompt(sample(lines, ("Open", "Closed")), 2, PromptTemplates())
    assert asked.text.count("A. Open") == 1
