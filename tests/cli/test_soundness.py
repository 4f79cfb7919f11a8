"""Every command that reads a run says by its exit code that the run lacks answers."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from pixfoundation.cli import app
from tests.emergence.planted import planted_run
from tests.judges.server import judge_server
from tests.scoring.runs import four_samples, letters, write_run

runner = CliRunner()


def without_last_answer(path: Path) -> None:
    """Take the last answer of a run away."""
    file = path / "answers.jsonl"
    file.write_text("".join(file.read_text().splitlines(keepends=True)[:-1]))


@pytest.mark.parametrize("command", ["emergence", "claims"])
def test_analysis_of_an_incomplete_run_ends_with_an_exit_code_of_its_own(
    command: str, tmp_path: Path
):
    run = planted_run(tmp_path / "run", lambda i: 4, samples=6)
    call = [command, str(run.path), "--draws", "20", "--json"]
    whole = runner.invoke(app, call)
    assert whole.exit_code == 0, whole.output
    without_last_answer(run.path)
    done = runner.invoke(app, call)
    assert done.exit_code == 3
    assert "incomplete: 5 of 6 answers" in done.stderr


def test_judge_says_that_the_run_it_judged_is_incomplete_and_counts_in_english(tmp_path: Path):
    run = write_run(tmp_path / "r", four_samples(), letters("open", "shut", protocol=1))
    with judge_server(lambda body: "Yes") as server:
        call = ["judge", str(run.path), "--judge-model", "m", "--base-url", server.url]
        call += ["--cache", str(tmp_path / "kept")]
        call += ["--tasks", "grade"]
        done = runner.invoke(app, call)
    assert done.exit_code == 3
    assert "2 answers judged by openai:m with 2 requests" in done.stdout
    assert "incomplete: 2 of 4 answers" in done.stderr
    with judge_server(lambda body: "Yes") as server:
        one = write_run(tmp_path / "one", four_samples()[:1], letters("open", protocol=1))
        call = ["judge", str(one.path), "--judge-model", "m", "--base-url", server.url]
        call += ["--cache", str(tmp_path / "other")]
        done = runner.invoke(app, [*call, "--tasks", "grade"])
    assert done.exit_code == 0
    assert "1 answer judged by openai:m with 1 request;" in done.stdout


def test_causes_of_an_incomplete_run_say_so(tmp_path: Path):
    from tests.fuzz.analyses import make_causes

    make_causes(tmp_path)
    for command in ("curves", "knockout"):
        call = [command, str(tmp_path / "run"), "--show", "--json"]
        assert runner.invoke(app, call).exit_code == 0
    without_last_answer(tmp_path / "run")
    for command in ("curves", "knockout"):
        done = runner.invoke(app, [command, str(tmp_path / "run"), "--show", "--json"])
        assert done.exit_code == 3
        assert "incomplete: 11 of 12 answers" in done.stderr
