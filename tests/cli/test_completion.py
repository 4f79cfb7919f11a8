"""The shell completes names of what there is, and a command says by its exit code what it lacks."""

from typer.testing import CliRunner

from pixfoundation.cli import app
from pixfoundation.cli.completion import (
    dataset_names,
    model_names,
    reading_names,
    segmenter_names,
    selector_lists,
)
from tests.scoring.runs import four_samples, letters, write_run

runner = CliRunner()


def test_names_are_completed():
    assert "tiny-llava" in model_names("tiny-")
    assert dataset_names("pixs") == ["pixscenes"]
    assert "tiny-sam" in segmenter_names("")
    assert reading_names("rel") == ["relative"]
    assert selector_lists("oracle,na") == ["oracle,native"]


def test_score_of_an_incomplete_run_ends_with_an_exit_code_of_its_own(tmp_path):
    run = write_run(tmp_path / "r", four_samples(), letters("a", "b"))
    done = runner.invoke(app, ["score", str(run.path)])
    assert done.exit_code == 3
    assert "incomplete: 2 of 4 answers" in done.stdout
    whole = write_run(tmp_path / "w", four_samples(), letters("a", "b", "a", "b"))
    assert runner.invoke(app, ["score", str(whole.path)]).exit_code == 0
    one = runner.invoke(app, ["score", str(whole.path), "--by", "pattern"])
    assert "by pattern" in one.stdout
