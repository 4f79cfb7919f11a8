"""`when` as a person types it."""

import json

import pytest
from typer.testing import CliRunner

from pixfoundation.cli import app
from tests.emergence.planted import planted_run

runner = CliRunner()


@pytest.fixture
def run(tmp_path):
    return planted_run(tmp_path / "run", lambda i: 4, samples=20)


def test_json_is_all_that_is_printed(run):
    done = runner.invoke(app, ["when", str(run.path), "--json", "--draws", "200"])
    data = json.loads(done.stdout)
    assert len(data["location"]["bins"]) == 10
    assert data["location"]["n"] == sum(data["location"]["bins"]) == 20
    assert len(data["concept"]) == 6
    assert {"coincides_with_expression", "null", "permutation_p"} <= set(data)
    assert data["permutation_p"] < 0.01


def test_the_tables_fit_and_hold_chance_and_p(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    text = runner.invoke(app, ["when", str(run.path), "--draws", "200"]).stdout
    assert max(map(len, text.splitlines())) <= 80
    for words in ("chance: uniform", "chance: shuffled", "chance: random", "p (Holm)"):
        assert words in text
    assert "Labelled by rules: 20 of 20." in text


def test_several_runs_of_one_model_are_told_apart(run, tmp_path):
    other = planted_run(tmp_path / "other", lambda i: 0, samples=4)
    call = ["when", str(run.path), str(other.path), "--json", "--draws", "50"]
    data = json.loads(runner.invoke(app, call).stdout)
    assert [each["run"] for each in data] == ["planted (run)", "planted (other)"]


def test_figures_are_written_where_asked(run, tmp_path):
    out = tmp_path / "figures"
    runner.invoke(app, ["when", str(run.path), "--draws", "50", "--out", str(out)])
    assert len(list(out.iterdir())) == 6
