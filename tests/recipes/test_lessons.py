"""Lessons: the prompts of the protocols, and answers that are true."""

import re
from pathlib import Path

import numpy as np
import pytest
from recipes.curriculum import further_questions, letter_lessons, protocol_lessons, word_lessons
from recipes.lookups import lookup_lesson
from recipes.texts import (
    count_lesson,
    identify_lesson,
    identify_sentence,
    lesson,
    sample_expression,
    state_sentence,
)

from pixfoundation.choice_parsing import parse_published
from pixfoundation.datasets.pixscenes.language import NUMBERS, PLURALS, is_true
from pixfoundation.datasets.pixscenes.questions import PATTERNS, sample_pair
from pixfoundation.datasets.pixscenes.scenes import CANVAS, sample_scene
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
        for task in ("question", "letter", "open"):
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


def test_a_letter_is_the_option_that_the_published_parser_reads():
    pair = sample_pair(np.random.default_rng(9), "State and Condition")
    for side in pair.sides:
        answer = lesson("letter", pair, side).answer
        assert parse_published(answer, pair.options) == {LETTERS[side.answer]}


@pytest.mark.parametrize("named_before", [True, False])
def test_a_letter_is_looked_up_by_its_option(named_before):
    rng = np.random.default_rng(10)
    for _ in range(20):
        each = lookup_lesson(rng, named_before=named_before)
        lines = re.findall(r"^(\w)\. (\w+)$", each.prompt, re.MULTILINE)
        letters = {option.lower(): letter for letter, option in lines}
        assert 2 <= len(letters) <= 7
        named = re.match(r"It is (\w+)\.", each.prompt) if named_before else None
        option = named.group(1) if named else each.begun.strip()
        assert each.answer == f" {letters[option.lower()]}"
        assert bool(each.begun) != named_before


def test_letters_of_options_are_taught_before_and_with_what_they_stand_for():
    rng = np.random.default_rng(8)
    pair = sample_pair(rng)
    side = pair.sides[0]
    others = further_questions(rng, side, 8)
    taught = {
        teach: {each.task for _ in range(20) for each in teach(rng, pair, side, others)}
        for teach in (letter_lessons, word_lessons, protocol_lessons)
    }
    assert taught[letter_lessons] == {"lookup"}
    assert taught[word_lessons] >= {"open", "question", "identify", "facts", "lookup"}
    assert "letter" not in taught[word_lessons]
    assert taught[protocol_lessons] >= {"letter", "open", "question", "identify", "lookup"}


def test_both_pictures_of_a_pair_are_asked_for_the_letter_first():
    pair = sample_pair(np.random.default_rng(3))
    first = [protocol_lessons(np.random.default_rng(1), pair, side, ())[0] for side in pair.sides]
    assert first[0].prompt == first[1].prompt
    assert {each.answer for each in first} == {" A", " B"}


def test_what_is_asked_of_a_picture_has_either_answer_equally_often():
    """A lesson could else be learned from its words: a thing is there, a number is the greater."""
    rng = np.random.default_rng(11)
    right = {"thing": [], "number": [], "side": [], "left of": []}
    for _ in range(150):
        pair = sample_pair(rng)
        side = pair.sides[0]
        for other in further_questions(rng, side, 14):
            own = next(each for each in other.sides if each.scene == side.scene)
            if other.topic in right:
                answer, rest = other.options[own.answer], other.options[1 - own.answer]
                numbers = [n.capitalize() for n in NUMBERS]
                right[other.topic].append(
                    numbers.index(answer) > numbers.index(rest)
                    if other.topic == "number"
                    else answer > rest
                )
    for topic, answers in right.items():
        assert len(answers) > 60, topic
        assert 0.4 < np.mean(answers) < 0.6, topic


def test_counts_are_true_and_every_number_comes_up():
    rng = np.random.default_rng(8)
    seen: dict[str, int] = {}
    for _ in range(400):
        scene = sample_scene(rng, repeat=0.3)
        each = count_lesson(rng, scene)
        name = each.prompt.removeprefix("How many ").removesuffix(" are there in the picture?")
        colour, _, noun = name.rpartition(" ")
        counted = [
            thing
            for thing in scene.things
            if (not colour or thing.colour == colour)
            and (noun == "things" or PLURALS[thing.kind] == noun)
        ]
        answer = each.answer.strip().lower()
        assert NUMBERS[len(counted)] == answer
        seen[answer] = seen.get(answer, 0) + 1
    assert min(seen.get(number, 0) for number in NUMBERS[1:4]) > 400 / 15
