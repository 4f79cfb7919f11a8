"""The rulebook: values are checked, errors name file and key, and the docs are in step."""

from dataclasses import FrozenInstanceError, fields, replace
from pathlib import Path

import pytest

from pixfoundation.conventions import (
    DEFAULT,
    LAYERS,
    PUBLISHED,
    Choice,
    Conventions,
    PairRule,
    Ties,
)
from pixfoundation.conventions.tables import differences, fill_tables
from pixfoundation.errors import DataError

DOCS = Path(__file__).resolve().parent.parent / "docs"
RULES = [(layer, rule) for layer in LAYERS for rule in fields(getattr(DEFAULT, layer))]


@pytest.mark.parametrize(
    ("layer", "rule"), RULES, ids=[f"{layer}.{rule.name}" for layer, rule in RULES]
)
def test_every_rule_is_documented(layer, rule):
    here = getattr(getattr(DEFAULT, layer), rule.name)
    there = getattr(getattr(PUBLISHED, layer), rule.name)
    assert rule.metadata["decides"]
    if here != there:
        assert rule.metadata["source"]
        assert rule.metadata["why"]
    if isinstance(here, Choice):
        assert all(value.meaning for value in type(here))


def test_rules_can_be_set_by_plain_strings():
    scoring = replace(DEFAULT.scoring, pair_rule="consecutive")
    assert scoring.pair_rule is PairRule.CONSECUTIVE
    assert replace(DEFAULT.judging, temperature=1).temperature == 1.0
    with pytest.raises(DataError, match="pair_rule must be one of dataset, consecutive"):
        replace(DEFAULT.scoring, pair_rule="lines")
    with pytest.raises(FrozenInstanceError):
        scoring.pair_rule = "dataset"


def test_a_mapping_sets_single_rules_on_top_of_a_rulebook():
    rules = {"emergence": {"ties": "first"}, "judging": {"temperature": 0.7}}
    mixed = Conventions.from_mapping(rules, PUBLISHED)
    assert mixed.emergence == replace(PUBLISHED.emergence, ties=Ties.FIRST)
    assert mixed.judging.temperature == 0.7
    assert mixed.scoring == PUBLISHED.scoring
    assert Conventions.from_mapping({}) == DEFAULT


@pytest.mark.parametrize("rules", [DEFAULT, PUBLISHED])
def test_json_is_read_back(rules):
    assert Conventions.from_mapping(rules.to_json()) == rules


def test_what_differs_is_named_by_layer_and_rule():
    assert DEFAULT.changed() == {}
    assert PUBLISHED.changed("judging") == {
        "judging.pick_request": "single",
        "judging.temperature": 0.2,
    }


def test_a_file_sets_single_rules(tmp_path):
    file = tmp_path / "rules.toml"
    file.write_text('[scoring]\npair_rule = "consecutive"\n[judging]\ntemperature = 1\n')
    rules = Conventions.load(file)
    assert rules.changed() == {"scoring.pair_rule": "consecutive", "judging.temperature": 1.0}
    assert Conventions.load(file, PUBLISHED).grounding == PUBLISHED.grounding


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[scores]\npair_rule = "dataset"', "there is no layer 'scores'. Known: model, "),
        ('[scoring]\npairs = "dataset"', "there is no rule scoring.pairs. Known: option_parser, "),
        ('[scoring]\npair_rule = "lines"', "scoring.pair_rule must be one of dataset, cons"),
        ("[judging]\ntemperature = -1", "judging.temperature must be a number of at least 0"),
        ("[judging]\ntemperature = true", "judging.temperature must be a number of at least 0"),
        ("scoring = 3", "scoring must hold rules by name"),
        ("scoring =", "is not TOML"),
    ],
)
def test_errors_name_the_file_and_the_key(tmp_path, text, message):
    file = tmp_path / "rules.toml"
    file.write_text(text)
    with pytest.raises(DataError) as error:
        Conventions.load(file)
    assert str(error.value).startswith(str(file))
    assert message in str(error.value)


def test_a_missing_file_is_one_sentence(tmp_path):
    with pytest.raises(DataError, match="cannot be read: No such file"):
        Conventions.load(tmp_path / "none.toml")


@pytest.mark.parametrize("page", ["scores", "grounding", "emergence", "judges", "conventions"])
def test_tables_in_the_docs_are_those_of_the_rulebook(page):
    text = (DOCS / f"{page}.md").read_text(encoding="utf-8")
    assert "<!-- conventions: " in text
    assert fill_tables(text) == text, "run: python -m pixfoundation.conventions docs"


def test_a_table_holds_the_rules_that_differ_and_no_other():
    table = differences("scoring")
    assert "`scoring.pair_rule`" in table
    assert "`scoring.empty_truth`" not in table
