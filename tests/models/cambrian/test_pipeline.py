"""The command line with Cambrian: run, score, when, report, ground."""

from __future__ import annotations

import json

import pytest
from PIL import Image
from typer.testing import CliRunner

from pixfoundation.cli import app
from tests.models.cambrian.conftest import picture
from tests.tiny_checkpoints import SEGMENTERS


def call(*arguments) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture(scope="module")
def options(speaking, tmp_path_factory):
    sam = SEGMENTERS["sam"](tmp_path_factory.mktemp("sam"))
    return [
        "--model", "cambrian-8b", "--device", "cpu", "--dtype", "float32",
        "--model-option", f"checkpoint={speaking.folder}",
        "--model-option", f"towers={speaking.towers}",
        "--segmenter", sam,
    ]  # fmt: skip


def test_run_score_when_report(options, tmp_path):
    run = tmp_path / "run"
    command = ["run", *options, "--limit", 2, "--max-new-tokens", 8, "--out", run]
    call(*command)
    answers = [json.loads(line) for line in (run / "answers.jsonl").read_text().splitlines()]
    assert len(answers) == 6
    call(*command)
    assert len((run / "answers.jsonl").read_text().splitlines()) == 6  # nothing is asked twice
    said = json.loads((run / "run.json").read_text())
    assert '"name": "cambrian-8b"' in json.dumps(said)

    scores = json.loads(call("score", run, "--json", "--replicates", 20))
    assert scores["n_samples"] == 2
    assert "oracle" in scores["miou"]["protocol3"]
    json.loads(call("when", run, "--json", "--draws", 20))
    call("report", run, "--out", tmp_path / "page")
    assert "cambrian-8b" in next((tmp_path / "page").glob("*.html")).read_text()


@pytest.mark.parametrize("published", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_ground(options, tmp_path, published):
    file = tmp_path / "wide.png"
    Image.fromarray(picture(160, 90)).save(file)
    flags = ["--published"] if published else []
    call("ground", file, "the red car", *options, "--out", tmp_path / "out", *flags)
    record = json.loads((tmp_path / "out" / "result.json").read_text())
    assert record["expression"] == "the red car"
    assert record["size"] == [90, 160]


def test_wrong_options_are_one_sentence(speaking, tmp_path):
    result = CliRunner().invoke(
        app, ["run", "--model", "cambrian-8b", "--model-option", f"checkpoint={tmp_path / 'no'}"]
    )
    assert result.exit_code != 0
    assert "There is no folder" in str(result.exception)
