"""`pixfoundation judge`: what it says when it is done, and what goes wrong in one sentence."""

import pytest
from typer.testing import CliRunner

from pixfoundation.cli import app
from pixfoundation.errors import DataError, JudgeError, PixFoundationError, RunError
from pixfoundation.runs.store import RunDirectory
from tests.doubles import make_samples
from tests.judges.server import KEY, judge_server
from tests.runs.test_collect import run_all, start
from tests.runs.test_judging import reply


@pytest.fixture
def run(tmp_path):
    run = start(tmp_path / "run", make_samples(tmp_path / "images", 1))
    run_all(run)
    return run


@pytest.fixture(autouse=True)
def no_settings(monkeypatch):
    for name in ("JUDGE_KEY", "JUDGE_URL", "JUDGE_MODEL"):
        monkeypatch.delenv(f"PIXFOUNDATION_{name}", raising=False)
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


def judge(run, tmp_path, *arguments):
    cache = ("--cache", tmp_path / "kept")
    result = CliRunner().invoke(app, ["judge", str(run.path), *map(str, (*cache, *arguments))])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_everything_may_come_from_the_environment(run, tmp_path, monkeypatch):
    with judge_server(reply) as server:
        monkeypatch.setenv("PIXFOUNDATION_JUDGE_URL", server.url)
        monkeypatch.setenv("PIXFOUNDATION_JUDGE_MODEL", "m")
        monkeypatch.setenv("PIXFOUNDATION_JUDGE_KEY", KEY)
        result = judge(run, tmp_path)
        asked = len(server.requests)
    assert result.exit_code == 0
    said = result.output.replace("\n", " ")
    assert f"6 answers judged by openai:m with {asked} requests; 0 without a verdict" in said
    assert KEY not in result.output
    written = [*run.path.iterdir(), *(tmp_path / "kept").iterdir()]
    assert not any(KEY.encode() in file.read_bytes() for file in written)


def test_a_rejected_key_appears_nowhere(run, tmp_path):
    (tmp_path / "key").write_text("wrong-key")
    with judge_server(reply) as server, pytest.raises(JudgeError, match="rejects the key"):
        judge(
            run, tmp_path, "--model", "m", "--base-url", server.url, "--key-file", tmp_path / "key"
        )
    written = [*run.path.iterdir(), *(tmp_path / "kept").iterdir()]
    assert not any(b"wrong-key" in file.read_bytes() for file in written)


def test_the_embedded_model_judges_on_this_machine(run, tmp_path):
    result = judge(
        run, tmp_path, "--judge", "local", "--model", "tiny-llava", "--judge-option", "device=cpu",
        "--tasks", "grade",
    )  # fmt: skip
    assert result.exit_code == 0
    (name,) = {verdict.judge for verdict in RunDirectory(run.path).verdicts()}
    assert name == "local:tiny-llava"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--judge", "local", "--base-url", "http://x/v1"], "'local' takes no option 'base_url'"),
        (["--judge-option", "colour=red"], "'openai' takes no option 'colour'. It takes: base_url"),
    ],
)
def test_an_option_of_another_judge_is_named(run, tmp_path, arguments, message):
    with pytest.raises(DataError, match=message):
        judge(run, tmp_path, "--model", "m", *arguments)


def test_mistakes_are_said_before_anything_is_asked(run, tmp_path):
    with pytest.raises(JudgeError, match="needs a key"):
        judge(run, tmp_path, "--model", "m")
    assert judge(run, tmp_path, "--model", "m", "--tasks", "sing").exit_code == 2
    with pytest.raises(RunError, match="is not a run directory"):
        CliRunner().invoke(app, ["judge", str(tmp_path), "--model", "m"], catch_exceptions=False)


def test_workers_are_for_judges_that_they_load(run, tmp_path):
    said = judge(run, tmp_path, "--judge-model", "m", "--engine", "ray")
    assert said.exit_code == 2
    assert "judges that the workers load themselves" in " ".join(said.output.split())
    local = ("--judge-model", "m", "--judge-backend", "local")
    said = judge(run, tmp_path, *local, "--engine", "ray", "--budget", "3")
    assert "--budget bounds requests to an endpoint" in " ".join(said.output.split())
    said = judge(run, tmp_path, *local, "--workers", "2")
    assert "belong to --engine ray" in " ".join(said.output.split())
    assert not (run.path / "verdicts.jsonl").exists()


@pytest.mark.parametrize("command", ["deletion", "curves", "knockout", "controls"])
def test_the_tests_that_ask_a_model_again_take_the_options_of_an_engine(run, command):
    said = CliRunner().invoke(app, [command, str(run.path), "--workers", "2"])
    assert said.exit_code == 2
    assert "belong to --engine ray" in " ".join(said.output.split())
    said = CliRunner().invoke(app, [command, str(run.path), "--engine", "spark"])
    assert isinstance(said.exception, PixFoundationError)
