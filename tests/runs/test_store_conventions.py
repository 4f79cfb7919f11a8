"""`run.json` records the rules of models and grounders; what an older version wrote is read."""

import json
from dataclasses import replace

import pytest

from pixfoundation.conventions import DEFAULT, PUBLISHED, Conventions
from pixfoundation.errors import RunError
from pixfoundation.runs.config import RunConfig
from pixfoundation.runs.records import AnswerRecord
from pixfoundation.runs.store import RunDirectory

BASE = {"model": {"name": "m"}, "dataset": {"name": "d"}, "protocols": (1, 2, 3)}


def create(path, **config):
    return RunDirectory.create(path, RunConfig(**BASE, **config), [])


def give_answer(path):
    """Write an answer; a run without one gives way to another configuration."""
    with RunDirectory(path).appender("answers") as answers:
        answers.append(AnswerRecord("0", 1, "What is it?", "a cat").to_json())


def without_conventions(path):
    """Write run.json as it was before the key `conventions`."""
    file = path / "run.json"
    record = json.loads(file.read_text())
    del record["config"]["conventions"]
    file.write_text(json.dumps(record))


@pytest.mark.parametrize("rules", [DEFAULT, PUBLISHED])
def test_rules_of_models_and_grounders_are_recorded(tmp_path, rules):
    create(tmp_path, conventions=rules)
    config = json.loads((tmp_path / "run.json").read_text())["config"]
    assert config["published"] is (rules is PUBLISHED)
    assert config["conventions"] == {
        "model": rules.model.to_json(),
        "grounding": rules.grounding.to_json(),
    }


@pytest.mark.parametrize("rules", [DEFAULT, PUBLISHED])
def test_a_run_from_before_the_key_is_read_and_continued(tmp_path, rules):
    create(tmp_path, conventions=rules)
    without_conventions(tmp_path)
    config = RunDirectory(tmp_path).config
    assert config.conventions.model == rules.model
    assert config.conventions.grounding == rules.grounding
    create(tmp_path, conventions=rules)
    other = PUBLISHED if rules is DEFAULT else DEFAULT
    give_answer(tmp_path)
    with pytest.raises(RunError, match=r"conventions\.grounding\.attention_row"):
        create(tmp_path, conventions=other)


def test_a_single_rule_makes_another_run(tmp_path):
    rules = Conventions.from_mapping({"model": {"mask_crop": "top-left"}})
    create(tmp_path, conventions=rules)
    assert RunDirectory(tmp_path).config.conventions == rules
    assert not RunDirectory(tmp_path).config.published
    give_answer(tmp_path)
    with pytest.raises(RunError, match=r"conventions\.model\.mask_crop \('top-left' there"):
        create(tmp_path)


def test_rules_of_later_stages_make_no_other_run(tmp_path):
    create(tmp_path)
    create(tmp_path, conventions=replace(DEFAULT, scoring=PUBLISHED.scoring))


def test_an_unknown_rule_is_one_sentence(tmp_path):
    create(tmp_path)
    file = tmp_path / "run.json"
    file.write_text(file.read_text().replace("mask_crop", "mask_cut"))
    with pytest.raises(RunError, match=r"run\.json is damaged.*no rule model\.mask_cut"):
        RunDirectory(tmp_path)
