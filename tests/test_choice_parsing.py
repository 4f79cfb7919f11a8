"""Option letters are read from what models say: the published way and the tolerant way."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixfoundation.choice_parsing import (
    PARSERS,
    parse_published,
    parse_published_cvbench,
    parse_tolerant,
)
from tests.choice_forms import FORMS, OTHER_OPTIONS

OPEN_CLOSED = ("Open", "Closed")


@pytest.mark.parametrize(
    ("said", "published", "tolerant"),
    [
        ("a", "a", "a"),
        ("B", "b", "b"),
        ("A.", "a", "a"),
        ("(b)", "b", "b"),
        ("a) ", "a", "a"),
        ("Answer: A", "a", "a"),
        ("The answer is (a).", "a", "a"),
        ("Closed", "b", "b"),
        ("OPEN.", "a", "a"),
        ("answer is: b", "", "b"),
        ("Option A", "", "a"),
        ("Option B is right", "", "b"),
        ("(a) Open", "", "a"),
        ("B. Closed", "", "b"),
        ("A: open", "", "a"),
        ("The answer is (b) Closed", "", "b"),
        ("**B**", "", "b"),
        ("The wings are open.", "", "a"),
        ("They are closer to being closed than open.", "", "b"),
        ("Not open but closed.", "", "b"),
        ("They are not open.", "", ""),
        ("A dog stands there.", "", ""),
        ("I think (a) and (b)", "", ""),
        ("open and closed", "", ""),
        ("c", "", ""),
        ("hmm", "", ""),
        ("", "", ""),
    ],
)
def test_both_readings(said, published, tolerant):
    assert parse_published(said, OPEN_CLOSED) == frozenset(published)
    assert parse_tolerant(said, OPEN_CLOSED) == frozenset(tolerant)


@pytest.mark.parametrize(("said", "meant"), FORMS)
def test_every_form_is_read_as_a_careful_reader_does(said, meant):
    assert parse_tolerant(said, OPEN_CLOSED) == frozenset(meant)


@pytest.mark.parametrize(("said", "options", "meant"), OTHER_OPTIONS)
def test_forms_with_other_options(said, options, meant):
    assert parse_tolerant(said, options) == frozenset(meant)


def test_the_table_is_large_and_no_form_is_there_twice():
    assert len({said for said, _ in FORMS}) == len(FORMS) >= 350


def test_endless_repetition_is_read_in_no_time():
    for said in ("A " * 20_000, "the answer is " * 5_000, "(a) or (b), " * 5_000, "open " * 20_000):
        assert len(parse_tolerant(said, OPEN_CLOSED)) <= 1


def test_number_words_are_numbers():
    assert parse_tolerant("There are two of them.", ("1", "2")) == {"b"}


def test_a_longer_option_is_not_taken_for_a_shorter_one_inside_it():
    assert parse_tolerant("It is incorrect.", ("Correct", "Incorrect")) == {"b"}
    assert parse_tolerant("the left side", ("left", "left side")) == {"b"}


def test_the_published_reading_of_cvbench_takes_the_first_character():
    assert parse_published_cvbench("(C) 4", ("1", "2", "3")) == {"c"}
    assert parse_published_cvbench("The answer is B", ("1", "2")) == {"b"}
    assert parse_published_cvbench("above", ("above", "below")) == {"a"}
    assert parse_published_cvbench("(D)", ("1", "2")) == frozenset()
    assert parse_published_cvbench("", ("1", "2")) == frozenset()


texts = st.text(max_size=80)
option_lists = st.lists(st.text(min_size=1, max_size=12), min_size=2, max_size=6)


@given(texts, option_lists)
def test_parsers_take_anything_and_name_known_letters_only(said, options):
    known = set("abcdef"[: len(options)])
    for name, parse in PARSERS.items():
        assert parse(said, options) <= known
        if name != "published":
            assert len(parse(said, options)) <= 1


@given(st.integers(0, 5), st.sampled_from(["{}", "({})", "{}.", "Option {}", "The answer is {}."]))
def test_a_letter_in_any_dress_is_read_by_the_tolerant_parser(position, dress):
    options = ["one thing", "another", "a third", "the fourth", "number five", "last"]
    letter = "ABCDEF"[position]
    assert parse_tolerant(dress.format(letter), options) == {letter.lower()}


@given(option_lists, st.integers(0, 5))
def test_whatever_the_published_parser_reads_in_a_bare_letter_the_tolerant_one_does(options, place):
    letter = "abcdef"[place % len(options)]
    assert letter in parse_published(letter, options)
    assert parse_tolerant(letter, options) == {letter}
