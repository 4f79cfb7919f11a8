"""Lessons: the prompts of the protocols, and answers that are true."""

import re
from pathlib import Path

import numpy as np
import pytest
from recipes.curriculum import UNMIXED, choice_lessons, further_questions
from recipes.texts import (
    describe_sentence,
    identify_lesson,
    identify_sentence,
    lesson,
    lookups_lesson,
    sample_expression,
    state_sentence,
)

from pixfoundation.choice_parsing import parse_published
from pixfoundation.datasets.pixscenes.language import is_true
from pixfoundation.datasets.pixscenes.questions import PATTERNS, sample_pair
from pixfoundation.datasets.pixscenes.scenes import CANVAS
from pixfoundation.masks import Mask
from pixfoundation.prompts import PromptTemplates, build_prompt
from pixfoundation.types import LETTERS, Sample

PHRASE = re.compile(
    r"\b(?:an?|the|no) (?:small|large)? ?\w+ (?:house|car|fish|butterfly|tree|umbrella|cup|lamp"
    r"|sign|ball|boat|bird|flower)\b(?!')",
    re.IGNORECASE,
)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_prompts_are_those_of_the_protocols(pattern):
    pair = sample_pair(np.random.default_rng(3), pattern)
    side = pair.sides[0]
    expression = side.expression or "the fish"
    sample = Sample(
        id="1",
        image=Path("1.png"),
        size=(CANVAS, CANVAS),
        question=pair.question,
        options=pair.options,
        answer=LETTERS[side.answer],
        expression=expression,
        mask=Mask.empty((CANVAS, CANVAS)),
    )
    prompts = [build_prompt(sample, p, PromptTemplates()) for p in (1, 2, 3)]
    taught = [
        lesson("question", pair, side),
        lesson("letter", pair, side),
        identify_lesson(side.scene, expression, side.target),
    ]
    assert [p.text for p in prompts if p] == [each.prompt for each in taught]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_the_two_pictures_of_a_pair_get_different_answers_to_one_prompt(pattern):
    rng = np.random.default_rng(4)
    for _ in range(20):
        pair = sample_pair(rng, pattern)
        for task in ("question", "letter", "open", "statement"):
            first, second = (lesson(task, pair, side) for side in pair.sides)
            assert first.prompt == second.prompt
            assert first.answer != second.answer


def test_the_things_that_answers_name_are_there():
    rng = np.random.default_rng(5)
    checked = 0
    for _ in range(150):
        pair = sample_pair(rng)
        for side in pair.sides:
            expression, target = sample_expression(rng, side.scene)
            for text in (
                state_sentence(pair, side),
                identify_sentence(side.scene, expression, target),
                describe_sentence(side.scene),
            ):
                for phrase in PHRASE.findall(text):
                    assert is_true(phrase, side.scene) is True, (phrase, text)
                    checked += 1
    assert checked > 500


def test_a_sentence_that_answers_a_question_holds_the_right_option_and_not_the_other():
    rng = np.random.default_rng(6)
    for _ in range(200):
        pair = sample_pair(rng)
        for side in pair.sides:
            words = re.findall(r"\w+", state_sentence(pair, side).lower())
            right, wrong = (pair.options[i].lower() for i in (side.answer, 1 - side.answer))
            assert right in words
            if right not in {"yes", "no", "one"}:
                assert wrong not in words or pair.topic in {"height", "side", "left of"}


def test_the_last_stage_asks_only_what_one_word_answers_in_one_way():
    rng = np.random.default_rng(8)
    for _ in range(40):
        pair = sample_pair(rng)
        side = pair.sides[0]
        others = further_questions(rng, side, 8)
        topics = [p for p in (pair, *others) if p.topic in UNMIXED]
        prompts = {each.prompt for p in topics for each in (lesson("worded", p, p.sides[0]),)}
        prompts |= {p.question for p in topics}
        for each in choice_lessons(rng, pair, side, others):
            if each.task in {"worded", "open"}:
                assert each.prompt in prompts


def test_a_worded_answer_is_the_option_that_the_published_parser_accepts():
    pair = sample_pair(np.random.default_rng(9), "State and Condition")
    for side in pair.sides:
        answer = lesson("worded", pair, side).answer
        assert parse_published(answer, pair.options) == {LETTERS[side.answer]}


def test_a_list_of_options_is_looked_up_by_word():
    each = lookups_lesson(np.random.default_rng(10))
    lines = dict(reversed(line.split(". ")) for line in each.prompt.split("\n")[1:-1])
    said = re.findall(r"(\w+)\. The answer is (\w)\.", each.answer)
    assert said
    assert all(lines[word] == letter for word, letter in said)
