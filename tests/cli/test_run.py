"""`pixfoundation run`: what the model is loaded with is in the run's configuration."""

import json

import pytest
from typer.testing import CliRunner

from pixfoundation.cli import app
from pixfoundation.errors import CheckpointError, DataError, PixFoundationError
from tests.tiny_checkpoints import saved

SMALL = ["--limit", "1", "--protocols", "2", "--segmenter", "none", "--max-new-tokens", "2"]


def run(*arguments):
    result = CliRunner().invoke(app, ["run", *SMALL, "--device", "cpu", *map(str, arguments)])
    if isinstance(result.exception, PixFoundationError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result


def test_options_of_loading_are_in_the_configuration(tmp_path):
    options = ("--attn", "eager", "--dtype", "bfloat16", "--model-option", "layers=[1]")
    run("--model", saved("llava"), "--out", tmp_path / "run", *options)
    model = json.loads((tmp_path / "run" / "run.json").read_text())["config"]["model"]
    assert (model["attn"], model["dtype"], model["layers"]) == ("eager", "bfloat16", [1])
    with pytest.raises(PixFoundationError, match=r"model.attn \('eager' there, 'sdpa' now\)"):
        run("--model", saved("llava"), "--out", tmp_path / "run", *options[2:])


def test_an_option_that_the_model_does_not_take_is_named(tmp_path):
    with pytest.raises(DataError, match="'tiny-llava' takes no option 'colour'"):
        run("--model-option", "colour=red", "--out", tmp_path)
    with pytest.raises(DataError, match="'openai' takes no option 'attn'"):
        run("--model", "openai", "--attn", "eager", "--out", tmp_path)


def test_an_original_checkpoint_is_named_before_anything_is_loaded(tmp_path):
    with pytest.raises(CheckpointError, match="load 'llava-1.5-7b'"):
        run("--model", "liuhaotian/llava-v1.5-7b", "--out", tmp_path)
