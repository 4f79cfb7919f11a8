"""Stop tokens and rotary settings are read from the JSON files of a checkpoint."""

import json

import pytest

from pixfoundation.errors import CheckpointError
from pixfoundation.models.common.llm_settings import (
    LLAMA_STOP_ID,
    rope_parameters,
    stop_ids,
    stop_ids_of_folder,
)


@pytest.mark.parametrize(("value", "ids"), [(7, (7,)), ([7, 9], (7, 9)), (None, ())])
def test_stop_ids_are_one_many_or_none(value, ids):
    assert stop_ids(value) == ids


def test_something_else_is_an_error_that_names_the_file():
    with pytest.raises(CheckpointError, match=r"a/config.json: eos_token_id should be .* '</s>'"):
        stop_ids("</s>", "a/config.json")


def test_the_generation_config_goes_before_the_config(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    assert stop_ids_of_folder(tmp_path) == (LLAMA_STOP_ID,)
    (tmp_path / "config.json").write_text(json.dumps({"eos_token_id": 5}))
    assert stop_ids_of_folder(tmp_path) == (5,)
    (tmp_path / "generation_config.json").write_text(json.dumps({"eos_token_id": [6, 7]}))
    assert stop_ids_of_folder(tmp_path) == (6, 7)
    (tmp_path / "generation_config.json").write_text("{}")
    assert stop_ids_of_folder(tmp_path) == ()


def test_rotary_settings_of_both_generations():
    assert rope_parameters({}) == {"rope_type": "default", "rope_theta": 10000.0}
    scaled = {"rope_theta": 500, "rope_scaling": {"type": "linear", "factor": 2.0}}
    assert rope_parameters(scaled) == {"rope_type": "linear", "factor": 2.0, "rope_theta": 500.0}
    scaled["rope_scaling"] = {"rope_type": "dynamic", "factor": 2.0}
    assert rope_parameters(scaled)["rope_type"] == "dynamic"
