"""A language model paraphrases questions; what changes the options is asked for again."""

import json

import pytest
from tests.variants.test_kinds import make

from pixfoundation.judges.paraphrasing import TRIES, paraphrase_dataset
from pixfoundation.variants.paraphrases import PUBLISHED_KEY

GOOD = [f"Would you say the wings are open or closed, version {i}?" for i in range(9)]


class Scripted:
    name = "scripted"

    def __init__(self, *replies):
        self.replies, self.asked = list(replies), []

    def ask(self, question):
        self.asked.append(question.text)
        return self.replies.pop(0)


def sample(number=0):
    return make(number, question="Are the wings open or closed?")


def test_numbers_and_quotes_of_a_list_are_taken_off(tmp_path):
    judge = Scripted("1. " + GOOD[0] + '\n2) "' + GOOD[1] + '"\n- ' + GOOD[2])
    made = paraphrase_dataset([sample()], judge, tmp_path / "p.json", count=3)
    assert made.questions == 1
    assert json.loads((tmp_path / "p.json").read_text()) == {"0": {PUBLISHED_KEY: GOOD[:3]}}


def test_what_changes_the_options_is_asked_for_again(tmp_path):
    judge = Scripted(GOOD[0] + "\nAre the wings open?", GOOD[1])
    made = paraphrase_dataset([sample()], judge, tmp_path / "p.json", count=2)
    assert made.questions == 1
    assert GOOD[0] in judge.asked[1]
    assert judge.asked[0] != judge.asked[1]


def test_questions_that_stay_incomplete_are_named(tmp_path):
    judge = Scripted(*["Are the wings open?"] * TRIES)
    made = paraphrase_dataset([sample()], judge, tmp_path / "p.json", count=2)
    assert made.questions == 0
    assert made.incomplete == ("sample 0 has 0 of 2 (it no longer names the option 'Closed').",)


def test_a_file_is_completed_and_not_asked_for_again(tmp_path):
    paraphrase_dataset([sample()], Scripted(GOOD[0]), tmp_path / "p.json", count=1)
    judge = Scripted(GOOD[1])
    made = paraphrase_dataset([sample(), sample(1)], judge, tmp_path / "p.json", count=1)
    assert made.questions == 2
    assert len(judge.asked) == 1


def test_what_was_made_before_an_error_is_kept(tmp_path):
    with pytest.raises(IndexError):
        paraphrase_dataset([sample(), sample(1)], Scripted(GOOD[0]), tmp_path / "p.json", count=1)
    assert list(json.loads((tmp_path / "p.json").read_text())) == ["0"]
