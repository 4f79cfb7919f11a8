"""The command line with Sa2VA: own masks and attention on PixScenes, and both in one table."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from pixfoundation.cli import app
from tests.models.sa2va import tiny_sa2va as tiny


def call(*arguments) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture(scope="module")
def sizes(tmp_path_factory):
    file = tmp_path_factory.mktemp("sizes") / "sam2.json"
    file.write_text(json.dumps(tiny.SAM2.given))
    return file


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["qwen3"])  # InternVL: tests/models/qwen_pixel/test_pipeline.py
def test_own_masks_and_attention_of_one_model_in_one_table(made, sizes, tmp_path, kind):
    model = [
        "--model", made(kind).folder, "--device", "cpu", "--dataset", "pixscenes",
        "--model-option", f"sam2_sizes={sizes}", "--limit", 2, "--max-new-tokens", 12,
    ]  # fmt: skip
    own, attention = tmp_path / "own", tmp_path / "attention"
    call("run", *model, "--no-segmenter", "--out", own)
    grounder = ["--grounder", "attend-and-segment", "--segmenter", "tiny-sam"]
    call("run", *model, *grounder, "--out", attention)
    answers = {
        run: [json.loads(line) for line in (run / "answers.jsonl").read_text().splitlines()]
        for run in (own, attention)
    }
    assert len(answers[own]) == 6
    assert [a["text"] for a in answers[own]] == [a["text"] for a in answers[attention]]
    sources = {
        run: {
            candidate["source"]
            for line in (run / "candidates.jsonl").read_text().splitlines()
            for candidate in json.loads(line)["candidates"]
        }
        for run in (own, attention)
    }
    assert "native" in sources[own]
    assert "attention" in sources[attention]
    assert sources[own].isdisjoint(sources[attention])
    table = call("table", own, attention, "--format", "markdown")
    lines = [line for line in table.splitlines() if line.startswith("|")]
    assert len(lines) > 3
    assert sum(str(made(kind).folder.name) in line for line in lines) >= 2


def test_sizes_of_sam2_are_typed_at_the_command_line(made, tmp_path):
    sizes = [
        word
        for name, value in tiny.SAM2.given.items()
        for word in (
            "--model-option",
            f"sam2_sizes.{name}={','.join(map(str, value)) if isinstance(value, list) else value}",
        )
    ]
    call(
        "run", "--model", made("internlm2").folder, "--device", "cpu", "--dataset", "pixscenes",
        *sizes, "--limit", 1, "--max-new-tokens", 3, "--no-segmenter", "--out", tmp_path / "run",
    )  # fmt: skip
    assert (tmp_path / "run" / "answers.jsonl").read_text().count("\n") == 3
