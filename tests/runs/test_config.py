"""`run.json` holds what its declared fields say, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from pixfoundation.conventions import DEFAULT, PUBLISHED
from pixfoundation.errors import DataError
from pixfoundation.runs.config import DatasetDescription, ModelDescription, RunConfig

LEAST: dict[str, Any] = {"model": {"name": "m"}, "dataset": {"name": "d"}, "protocols": [1, 3]}


def test_a_configuration_is_what_it_was_written_as():
    config = RunConfig(
        model=ModelDescription.of("m", {"dtype": "float32", "layers": (1, 2)}),
        dataset=DatasetDescription(notes=("a", "b"), fingerprint="f", name="d"),
        protocols=(1, 3),
    )
    data = config.to_json()
    assert data["model"] == {"name": "m", "dtype": "float32", "layers": [1, 2]}
    assert list(data["dataset"]) == ["name", "fingerprint", "notes"]
    assert "answers" not in data
    assert data["segmenter"] is None
    assert RunConfig.from_json(data) == config
    assert RunConfig.from_json(data).to_json() == data


@pytest.mark.parametrize("rules", [DEFAULT, PUBLISHED])
def test_the_rules_follow_from_published_and_the_other_way_round(rules: Any):
    is_published = rules is PUBLISHED
    old = RunConfig.from_json({**LEAST, "published": is_published})
    assert old.published is is_published
    assert old.conventions.agrees_with(rules, "model", "grounding")
    new = RunConfig.from_json({**LEAST, "conventions": old.to_json()["conventions"]})
    assert new.to_json() == old.to_json()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"seed": "7"}, "seed: expected a whole number, but found str"),
        ({"seed": True}, "seed: expected a whole number, but found bool"),
        ({"seed": None}, "seed: expected a whole number"),
        ({"imported": 1}, "imported: expected true or false"),
        ({"protocols": [1, 4]}, "protocols: expected a list of 1, 2 and 3"),
        ({"protocols": "12"}, "protocols: expected a list"),
        ({"protocols": [True]}, "protocols: expected a list"),
        ({"model": {"name": 3}}, "model.name: expected a text, but found int"),
        ({"model": ["m"]}, "model: expected an object, but found list"),
        ({"dataset": {"notes": [1]}}, "dataset.notes: expected a list of texts"),
        ({"decoding": {"temperature": "hot"}}, "decoding.temperature: expected a whole number or"),
        ({"answers": {"kind": 1}}, "answers.kind: expected a text"),
        ({"colour": 1}, "colour: no such field is known"),
        ({"conventions": []}, "conventions: expected an object"),
    ],
)
def test_a_field_of_another_type_is_named(change: dict[str, Any], says: str):
    with pytest.raises(DataError, match=says):
        RunConfig.from_json({**LEAST, **change})


def test_a_missing_field_is_named():
    with pytest.raises(DataError, match="dataset: this field is missing"):
        RunConfig.from_json({"model": {}, "protocols": []})


def test_fields_of_any_name_are_kept():
    description = ModelDescription(**{"self": 1, "fields": {"a": None}, "name": "m"})
    assert description.to_json() == {"name": "m", "self": 1, "fields": {"a": None}}
    assert description == ModelDescription(**description.to_json())
    assert description != DatasetDescription(**description.to_json())
