"""Paraphrases come from a file, whose entries are checked, or from rules."""

import json

import pytest

from pixfoundation.errors import DataError
from pixfoundation.variants import VariantPlan, VariantSettings
from pixfoundation.variants.paraphrases import (
    FRAMES,
    PUBLISHED_KEY,
    by_rules,
    fault_of,
    read_paraphrases,
)
from tests.variants.test_kinds import make


def write(folder, data):
    path = folder / "paraphrases.json"
    path.write_text(json.dumps(data))
    return path


def test_rules_keep_the_question_and_its_words():
    question = "Are the wings open or closed?"
    made = by_rules(question)
    assert len(set(made)) == len(FRAMES) == 10
    assert all("he wings open or closed" in text for text in made)
    assert all(fault_of(text, make(0, question=question)) is None for text in made)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("Would you call the wings open, or closed?", None),
        ("Would you call the wings open?", "no longer names the option 'Closed'"),
        ("Open or closed wings: (a) Open (b) Closed?", "lettered"),
        ("", "empty"),
        ("Are the wings open\nor closed?", "one line"),
        ("Are the wings open or closed? " * 20, "longer"),
    ],
)
def test_a_paraphrase_must_keep_the_options(text, fault):
    found = fault_of(text, make(0, question="Are the wings open or closed?"))
    assert (found is None) == (fault is None)
    assert fault is None or fault in (found or "")


def test_a_paraphrase_must_not_give_the_answer_away():
    sample = make(0, question="Which animal is it?", options=("Cat", "Dog"))
    assert "names the option 'Cat'" in (fault_of("Is the animal a cat?", sample) or "")


@pytest.mark.parametrize(
    "data",
    [
        {"0": ["x"], "1": ["y"]},
        {"0": {PUBLISHED_KEY: ["x"]}, "1": {PUBLISHED_KEY: ["y"]}},
        [{"id": "1", PUBLISHED_KEY: ["y"]}, {"id": 0, PUBLISHED_KEY: ["x"]}],
        [{PUBLISHED_KEY: ["x"]}, {PUBLISHED_KEY: ["y"]}],
        [["x"], ["y"]],
    ],
)
def test_the_forms_of_a_file(tmp_path, data):
    read = read_paraphrases(write(tmp_path, data), [make(0), make(1)])
    assert read == {"0": ("x",), "1": ("y",)}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"7": ["x"]}, "not in the dataset, such as '7'"),
        ([["x"]], "1 entry without ids, but the dataset has 2"),
        ([{PUBLISHED_KEY: "x"}, {PUBLISHED_KEY: ["y"]}], "entry '0'"),
        ({"0": [""]}, "entry '0'"),
        (3, "an object or a list"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_by_name(tmp_path, data, message):
    with pytest.raises(DataError, match=r"paraphrases\.json") as caught:
        read_paraphrases(write(tmp_path, data), [make(0), make(1)])
    assert message in str(caught.value)


def test_a_paraphrase_that_changes_the_options_is_a_named_skip():
    settings = VariantSettings(paraphrases={"0": ("Is it open?", "Is it open or closed, then?")})
    varied = list(VariantPlan(("paraphrases",), settings=settings).vary([make(0), make(1)]))
    assert [v.skipped for v in varied] == [
        "its paraphrase 0 was left out: it no longer names the option 'Closed'",
        None,
        "it has 0 paraphrases",
        "it has 0 paraphrases",
    ]
