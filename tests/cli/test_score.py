"""`score`, `compare`, `table`, `import`, `data check` as a person types them."""

import json

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from pixfoundation.cli import app
from tests.datasets.layouts import write_pixmmvp
from tests.datasets.refer_layouts import write_reasonseg
from tests.scoring.runs import attended, columns, four_samples, letters, native, write_run

runner = CliRunner()


@pytest.fixture
def run(tmp_path):
    masks = native(columns(0, 4), columns(0, 2), columns(0, 4))
    return write_run(tmp_path / "run", four_samples(), letters("a", "(b) Closed", "a", "hm"), masks)


def test_json_is_all_that_is_printed(run):
    done = runner.invoke(app, ["score", str(run.path), "--json", "--per-image"])
    data = json.loads(done.stdout)
    assert data["accuracy"]["protocol2"]["pair"] == 0.5
    assert data["miou"]["protocol3"]["native"]["n_present"] == 3
    assert data["per_image_iou"]["protocol3"]["native"]["2"] == 0.5
    assert set(data["failures"]) == {"both", "vqa_only", "grounding_only", "neither"}
    wanted = {"dataset", "n_samples", "n_pairs", "A_dagger", "A", "M_dagger", "M", "S"}
    assert wanted <= set(data)


def test_the_table_shows_both_parsers_where_they_differ(run):
    text = runner.invoke(app, ["score", str(run.path), "--by", "pattern"]).stdout
    assert "tolerant" in text
    assert "published" in text
    assert "by pattern" in text
    assert "83.3" in text


def test_the_table_shows_chance_beside_the_oracle(tmp_path):
    records = [attended(str(i), columns(0, 3), random=(columns(0, 1),)) for i in (1, 2, 3)]
    run = write_run(tmp_path / "r", four_samples(), (), records)
    lines = runner.invoke(app, ["score", str(run.path)]).stdout.splitlines()
    (oracle,) = [line for line in lines if "oracle " in line and "(M)" in line]
    assert "75.0" in oracle
    assert "25.0" in oracle


def test_compare(run, tmp_path):
    other = write_run(tmp_path / "other", four_samples(), letters("a", "b", "a", "b"))
    data = json.loads(
        runner.invoke(app, ["compare", str(run.path), str(other.path), "--json"]).stdout
    )
    found = data["differences"]["accuracy.protocol2.pair"]
    assert (found["first"], found["second"], found["difference"]) == (0.5, 1.0, 0.5)
    text = runner.invoke(app, ["compare", str(run.path), str(other.path)]).stdout
    assert "accuracy.protocol2.pair" in text


def test_table(run):
    text = runner.invoke(app, ["table", str(run.path), "--format", "csv"]).stdout
    assert text.startswith("method,PixGr.,A†,A,M†,M,S,M† picked nothing,M")


def test_import_then_score(tmp_path):
    root = write_pixmmvp(tmp_path / "data", pairs=2, images=False)
    (tmp_path / "m").mkdir()
    for number in range(1, 4):
        array = np.zeros((12, 16), np.uint8)
        array[2:10, 2:10] = 255
        Image.fromarray(array).save(tmp_path / "m" / f"output{number:05d}.png")
    common = ["import", "--dataset", "pixmmvp", "--data-root", str(root), "--protocol", "3"]
    common += ["--masks", str(tmp_path / "m"), "--out", str(tmp_path / "run")]
    done = runner.invoke(app, common)
    assert done.exit_code == 0, done.output
    assert "has no usable mask for sample 4" in done.stderr
    assert "run --published" in " ".join(done.stderr.split())
    assert runner.invoke(app, [*common, "--strict"]).exit_code == 1
    scored = runner.invoke(app, ["score", str(tmp_path / "run"), "--json", "--published"])
    found = json.loads(scored.stdout)["miou"]["protocol3"]["native"]
    assert found["present"] == pytest.approx((1 + 0) / 2)
    assert (found["n_all"], found["n_present"]) == (4, 2)


def test_the_published_rules_are_proposed_where_there_are_published_rows(tmp_path):
    root = write_reasonseg(tmp_path / "data")
    (tmp_path / "m").mkdir()
    words = ["import", "--dataset", "reasonseg", "--data-root", str(root), "--protocol", "3"]
    words += ["--masks", str(tmp_path / "m"), "--out", str(tmp_path / "run")]
    refused = runner.invoke(app, words)
    assert "Expected names like 'a.png'; it has 0 image files" in str(refused.exception)
    Image.new("L", (30, 20), 255).save(tmp_path / "m" / "b.png")
    done = runner.invoke(app, words)
    assert "Next: pixfoundation score" in done.stderr, done.output
    assert "--published" not in done.stderr


def test_check_fails_where_there_are_errors(tmp_path):
    root = write_pixmmvp(tmp_path / "data", pairs=150)
    good = runner.invoke(app, ["data", "check", "pixmmvp", "--data-root", str(root)])
    assert good.exit_code == 0, good.output
    assert "0 errors" in good.stdout
    (root / "MMVP Images" / "7.jpg").unlink()
    bad = runner.invoke(app, ["data", "check", "pixmmvp", "--data-root", str(root), "--json"])
    assert bad.exit_code == 1
    problems = json.loads(bad.stdout)["problems"]
    (problem,) = [each for each in problems if each["severity"] == "error"]
    assert problem["file"].endswith("7.jpg")
    assert problem["severity"] == "error"
