"""Picks are what the judge said, or no verdict; never a guess."""

import io

import numpy as np
import pytest
from PIL import Image

from pixfoundation.judges.picking import (
    MaskChoice,
    distinct,
    pick_by_single_request,
    pick_by_tournament,
    red_overlay,
)
from pixfoundation.judges.prompts import grading_question, presence_question
from pixfoundation.judges.questions import ask_yes_no
from pixfoundation.masks import Mask

SIZE = (20, 60)
IMAGE = Image.new("RGB", (60, 20), (100, 100, 100))
COLUMNS = [
    Mask.from_array(np.add.outer(np.zeros(20), np.arange(60)) // 2 == column)
    for column in range(30)
]


def cats(masks):
    return MaskChoice(IMAGE, "a cat", masks)


class ScriptedJudge:
    """Replies from a list, then with a function of the question."""

    name = "script"

    def __init__(self, *replies, then=None):
        self.replies, self.then, self.questions = list(replies), then, []

    def ask(self, question):
        self.questions.append(question)
        return self.replies.pop(0) if self.replies else self.then(question)


def finds(column):
    """A judge's eye: the number of the overlay whose red is at a column; 0 if none."""

    def look(question):
        for number, png in enumerate(question.images, start=1):
            red = np.asarray(Image.open(io.BytesIO(png)), int)
            if red[0, 2 * column, 0] > red[0, 2 * column, 1]:
                return str(number)
        return "0"

    return look


def test_the_questions_are_the_published_ones():
    grade = grading_question("Is it? (a) Yes (b) No", "(a)", "It is.", 0.2)
    assert grade.text == (
        "Given the following question Is it? (a) Yes (b) No, the correct answer is (a). Does the "
        "following answer correctly answers the question, answer:It is.? Respond with a Yes/No"
    )
    assert presence_question("a cat", b"", 0.2).text == (
        "Does this image have a cat? Answer yes/no only."
    )
    judge = ScriptedJudge("2")
    pick_by_single_request(judge, cats(COLUMNS[:3]), 0.2)
    assert judge.questions[0].text == (
        "Select the image that has a cat best highlighted in red color than the others? "
        "Answer with a number from 1 to 3. Mention the number only."
    )


def test_an_overlay_is_half_red_inside_and_untouched_outside():
    pixels = np.asarray(Image.open(io.BytesIO(red_overlay(IMAGE, COLUMNS[1]))))
    assert pixels[0, 2].tolist() == [177, 50, 50]
    assert pixels[0, 0].tolist() == [100, 100, 100]


def test_one_request_in_order_as_published():
    judge = ScriptedJudge("The best is 3.")
    verdict = pick_by_single_request(judge, cats(COLUMNS[:5]), 0.2)
    assert (verdict.value, verdict.valid) == (2, True)
    assert len(judge.questions) == 1


@pytest.mark.parametrize("nonsense", ["", "0", "9", "I cannot help with that.", "2 or 3"])
def test_nonsense_is_asked_again_once_and_then_no_verdict(nonsense):
    judge = ScriptedJudge(nonsense, "2")
    assert pick_by_single_request(judge, cats(COLUMNS[:5]), 0.2).value == 1
    assert "must be one number from 1 to 5" in judge.questions[1].text
    judge = ScriptedJudge(nonsense, nonsense)
    verdict = pick_by_single_request(judge, cats(COLUMNS[:5]), 0.2)
    assert (verdict.value, verdict.valid, verdict.reply) == (None, False, nonsense)
    assert ask_yes_no(ScriptedJudge("Perhaps", "Yes."), judge.questions[0]).value is True
    assert not ask_yes_no(ScriptedJudge("Perhaps", "Maybe"), judge.questions[0]).valid


@pytest.mark.parametrize("column", [0, 13, 29])
def test_the_tournament_finds_the_best_in_rounds_of_twelve(column):
    judge = ScriptedJudge(then=finds(column))
    verdict = pick_by_tournament(judge, cats(COLUMNS), 0.0, np.random.default_rng(0))
    assert (verdict.value, verdict.valid) == (column, True)
    assert max(len(question.images) for question in judge.questions) <= 12


def test_the_tournament_may_find_nothing():
    judge = ScriptedJudge(then=lambda question: "0")
    verdict = pick_by_tournament(judge, cats(COLUMNS), 0.0, np.random.default_rng(0))
    assert (verdict.value, verdict.valid) == (None, True)


def test_places_are_shuffled_by_the_seed():
    def order(seed):
        judge = ScriptedJudge(then=lambda question: "0")
        pick_by_tournament(judge, cats(COLUMNS[:6]), 0.0, np.random.default_rng(seed))
        return judge.questions[0].images

    assert order(1) == order(1)
    assert order(1) != order(2)


def test_near_equal_masks_are_shown_once():
    big = np.zeros(SIZE, bool)
    big[:, :40] = True
    nearly = big.copy()
    nearly[0, 0] = False
    masks = [Mask.from_array(big), Mask.from_array(nearly), Mask.from_array(~big)]
    assert distinct(masks) == [0, 2]
    judge = ScriptedJudge(then=lambda question: "0")
    verdict = pick_by_tournament(judge, cats(masks), 0.0, np.random.default_rng(0))
    assert verdict.deduplicated == 1
    assert len(judge.questions[0].images) == 2
