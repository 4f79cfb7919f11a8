"""A tiny UniGR and UniPixel on the embedded benchmark: own masks, attention, and one table of both.

The numbers of random weights mean nothing; that both kinds of grounding are run, scored and shown
next to each other does.
"""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from pixfoundation.cli import app
from tests.models.qwen_pixel.tiny_checkpoint import UNIGR, UNIPIXEL, write

pytestmark = pytest.mark.slow


def call(*arguments) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.mark.parametrize("sizes", [UNIGR, UNIPIXEL], ids=lambda sizes: sizes.family)
def test_own_masks_and_attention_in_one_table(sizes, tmp_path):
    folder = write(tmp_path / "checkpoint", sizes).folder
    (tmp_path / "sizes.json").write_text(json.dumps(sizes.sam.given))
    model = [
        "--model", folder, "--device", "cpu", "--dataset", "pixscenes", "--limit", 4,
        "--model-option", f"sam2_sizes={tmp_path / 'sizes.json'}", "--max-new-tokens", 12,
    ]  # fmt: skip
    own, attention = tmp_path / "own", tmp_path / "attention"
    call("run", *model, "--no-segmenter", "--out", own)
    call(
        "run", *model, "--segmenter", "tiny-sam", "--grounder", "attend-and-segment",
        "--out", attention,
    )  # fmt: skip

    answers = [json.loads(line) for line in (own / "answers.jsonl").read_text().splitlines()]
    assert len(answers) == 12
    record = json.loads((own / "run.json").read_text())
    assert record["config"]["grounder"]["name"] == "native"
    scores = json.loads(call("score", own, "--json", "--replicates", 20))
    assert scores["n_samples"] == 4
    table = call("table", own, attention, "--replicates", 20)
    assert "own" in table
    assert "attention" in table

    call("run", *model, "--no-segmenter", "--out", own)  # nothing is asked twice
    assert len((own / "answers.jsonl").read_text().splitlines()) == 12
    call("run", *model, "--no-segmenter", "--published", "--out", tmp_path / "published")
    if sizes.family == "unigr":
        texts = [
            json.loads(line)
            for line in (tmp_path / "published" / "answers.jsonl").read_text().splitlines()
        ]
        forced = [line for line in texts if line["protocol"] == 3]
        assert {line["text"] for line in forced} == {"Sure, [SEG]."}
