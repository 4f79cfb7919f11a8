"""The commands on the embedded benchmark: a run, its readings, its heads, place and layer."""

import json

import pytest
from typer.testing import CliRunner

from pixfoundation.cli import app


def call(*arguments):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, (result.output, result.exception)
    return result.stdout


@pytest.mark.slow
def test_readings_and_heads_of_the_embedded_model(tmp_path):
    run = tmp_path / "run"
    call("run", "--protocols", "2,3", "--limit", 4, "--device", "cpu", "--out", run)
    first = json.loads(call("compare-readings", run, "--device", "cpu", "--json"))
    assert [row["reading"] for row in first["readings"]] == [
        "attention", "contrast", "gradient", "localization-heads", "logit-lens", "relative",
        "rollout", "tam",
    ]  # fmt: skip
    for row in first["readings"]:
        for measure in ("pointing", "energy", "map_iou", "oracle", "similarity"):
            assert 0 <= row[measure]["value"] <= 1
            assert 0 <= row[measure]["chance"]["value"] <= 1
    text = call("compare-readings", run, "--device", "cpu")  # what is there is not computed again
    assert "localization-heads" in text
    assert "chance" in text
    heads = json.loads(
        call("heads", run, "--device", "cpu", "--draws", 20, "--out", tmp_path / "f", "--json")
    )
    assert heads["answers"] == first["answers"]
    assert {path.name for path in (tmp_path / "f").iterdir()} >= {
        "heads.png", "layers.pdf", "place_by_layer.png",
    }  # fmt: skip
    emergence = json.loads(call("emergence", run, "--json", "--draws", 50))
    layers = len(heads["layer_point_accuracy"]["value"])
    assert [len(row) for row in emergence["place_by_layer"]["point_accuracy"]] == [layers] * 10
    few = tmp_path / "few"
    call(
        "run", "--protocols", "3", "--limit", 2, "--device", "cpu", "--out", few,
        "--grounder-option", "reading=localization-heads",
        "--grounder-option", f"heads_from={run}", "--grounder-option", "top=2",
    )  # fmt: skip
    recorded = json.loads((few / "run.json").read_text())["config"]["grounding"]["maps"]
    pairs = {(int(layer), head) for layer, own in recorded["heads"].items() for head in own}
    assert pairs == {tuple(pair) for pair in heads["choice"]["heads"][:2]}
    compared = json.loads(call("stability", run, "--json"))
    assert "peak in mask" in {each["measure"] for each in compared}


def test_a_wrong_option_of_a_reading_is_refused_before_anything_is_loaded(tmp_path):
    result = CliRunner().invoke(
        app, ["run", "--grounder-option", "reading=relative", "--grounder-option", "flor=0",
              "--out", str(tmp_path / "run")],
    )  # fmt: skip
    assert "Did you mean 'floor'" in str(result.exception)
    assert not (tmp_path / "run").exists()
