"""`--log-json`: progress as lines for machines, at most one per second, the last state always."""

import json

import pytest
from typer.testing import CliRunner

from pixfoundation.cli import app, progress
from pixfoundation.cli.progress import progress_bar
from pixfoundation.models.base import models
from pixfoundation.runs.collect import Progress
from tests.doubles import BrightModel


@pytest.fixture
def clock(monkeypatch):
    now = [50.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def printed(capsys):
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_lines_come_once_a_second_and_hold_rate_time_left_and_workers(clock, capsys):
    with progress_bar("a model", as_json=True) as report:
        for done in range(5, 25):  # four answers were there before; ten per second are added
            clock[0] += 0.1
            report(Progress(done, 44, 1, 3, 2))
        lines = printed(capsys)
    assert [line["done"] for line in lines] == [14, 24]
    assert lines[1] == {
        "done": 24, "total": 44, "failed": 1, "rate": pytest.approx(10.0),
        "left": pytest.approx(2.0), "workers": 3, "lost": 2,
    }  # fmt: skip
    assert printed(capsys) == []  # all that was said is printed


def test_the_last_state_is_printed_also_when_the_run_fails(clock, capsys):
    bar = progress_bar("", as_json=True)
    report = bar.__enter__()
    clock[0] += 0.5
    report(Progress(1, 2, 0))
    error = ValueError("stopped")
    assert not bar.__exit__(ValueError, error, None)
    assert printed(capsys) == [
        {"done": 1, "total": 2, "failed": 0, "rate": 2.0, "left": 0.5, "workers": None, "lost": 0}
    ]


def test_nothing_is_printed_where_nothing_was_done(clock, capsys):
    with progress_bar("", as_json=True):
        pass
    assert printed(capsys) == []


def test_the_option_of_run_prints_json_on_standard_error_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(models, "_entries", dict(models._entries))

    @models.register("bright", summary="a stub", gives="masks", needs="nothing")
    def load(name, *, device=None, dtype=None):
        return BrightModel()

    arguments = ["--model", "bright", "--limit", "1", "--protocols", "2", "--no-segmenter"]
    out = ["--out", str(tmp_path / "run"), "--log-json"]
    result = CliRunner().invoke(app, ["run", *arguments, *out])
    assert result.exit_code == 0, result.output
    lines = [line for line in result.stderr.splitlines() if line.startswith("{")]
    last = json.loads(lines[-1])
    assert (last["done"], last["total"], last["failed"]) == (1, 1, 0)
    assert "{" not in result.stdout


def test_no_bar_is_drawn_before_the_total_is_known(capsys):
    with pytest.raises(ValueError, match="no such model"), progress_bar("a model"):
        raise ValueError("no such model")
    assert capsys.readouterr().err == ""


def test_the_last_state_of_a_bar_stays_where_the_work_stopped(capsys):
    bar = progress_bar("a model")
    report = bar.__enter__()
    report(Progress(1, 4, 1))
    assert not bar.__exit__(ValueError, ValueError("stopped"), None)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.split()[:2] == ["a", "model"]
    assert "1/4" in line
    assert "1 failed" in line
