"""`--published` and `--conventions FILE`: the same rules in every command."""

import json

import pytest
from typer.testing import CliRunner

from pixfoundation.cli import app
from pixfoundation.errors import DataError
from pixfoundation.runs.records import CandidateRecord
from tests.doubles import make_samples
from tests.judges.server import judge_server
from tests.runs.test_collect import run_all, start
from tests.runs.test_judging import reply
from tests.scoring.runs import EMPTY, columns, four_samples, letters, make_sample, native, write_run


def invoke(*arguments):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def rules(tmp_path, text):
    path = tmp_path / "rules.toml"
    path.write_text(text)
    return path


@pytest.fixture
def run(tmp_path):
    """Sample 4 shows no object, and its answer offers no mask."""
    masks = native(columns(0, 4), columns(0, 2), columns(0, 4))
    masks.append(CandidateRecord("4", 3, ()))
    samples = [*four_samples()[:3], make_sample("4", "q", "b", EMPTY)]
    return write_run(tmp_path / "run", samples, letters("a", "b", "a", "b"), masks).path


def test_a_file_sets_single_rules_of_the_scores(run, tmp_path):
    file = rules(tmp_path, '[scoring]\nno_mask = "zero"\n')
    default = json.loads(invoke("score", run, "--json", "--per-image"))
    changed = json.loads(invoke("score", run, "--json", "--per-image", "--conventions", file))
    assert default["per_image_iou"]["protocol3"]["native"]["4"] == 1.0
    assert changed["per_image_iou"]["protocol3"]["native"]["4"] == 0.0
    assert changed["settings"]["conventions"] == {"scoring.no_mask": "zero"}


def test_a_file_sets_single_rules_on_top_of_the_published_ones(run, tmp_path):
    file = rules(tmp_path, '[scoring]\nno_mask = "empty-mask"\n')
    published = json.loads(invoke("score", run, "--json", "--per-image", "--published"))
    changed = json.loads(
        invoke("score", run, "--json", "--per-image", "--published", "--conventions", file)
    )
    assert published["settings"]["published"] is True
    assert published["per_image_iou"]["protocol3"]["native"]["4"] == 0.0
    assert changed["per_image_iou"]["protocol3"]["native"]["4"] == 1.0
    assert not changed["settings"]["published"]


@pytest.mark.parametrize("command", ["score", "report", "table", "emergence", "compare"])
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[scoring]\nno_masks = "zero"\n', "no_masks"),
        ('[scoring]\nno_mask = "half"\n', "half"),
        ("scoring = \n", "is not TOML"),
    ],
)
def test_a_rule_that_does_not_exist_is_named_with_its_file(run, tmp_path, command, text, message):
    file = rules(tmp_path, text)
    runs = [run, run] if command == "compare" else [run]
    with pytest.raises(DataError, match=message) as error:
        invoke(command, *runs, "--conventions", file)
    assert str(file) in str(error.value)


def test_a_report_is_drawn_under_the_published_rules(run, tmp_path):
    def report(name, *arguments):
        invoke("report", run, "--out", tmp_path / name, *arguments)
        return (tmp_path / name / "index.html").read_text()

    published = report("published", "--published")
    assert "Scored under the published rules." in published
    assert "published rules." not in report("default")
    numbers = {
        json.loads(invoke("score", run, "--json", *arguments))["miou"]["protocol3"]["native"]["all"]
        for arguments in ((), ("--published",))
    }
    assert numbers == {0.875, 0.625}  # IoUs of 1, 0.5 and 1, and of the answer without a mask
    assert "87.5" in report("default", "--selectors", "native")
    assert "62.5" in report("published", "--published", "--selectors", "native")


@pytest.mark.parametrize(
    ("arguments", "text", "temperature"),
    [
        ((), "", 0.0),
        (("--published",), "", 0.2),
        ((), "[judging]\ntemperature = 0.3\n", 0.3),
        (("--published",), "[judging]\ntemperature = 0.3\n", 0.3),
        (("--published", "--temperature", "0.7"), "", 0.7),
        (("--temperature", "0.7"), "[judging]\ntemperature = 0.3\n", 0.7),
    ],
)
def test_the_rules_set_the_temperature_of_the_judge(tmp_path, arguments, text, temperature):
    run = start(tmp_path / "run", make_samples(tmp_path / "images", 1))
    run_all(run)
    if text:
        arguments = (*arguments, "--conventions", rules(tmp_path, text))
    with judge_server(reply) as server:
        judge = ("--judge-model", "m", "--base-url", server.url, "--cache", tmp_path / "cache")
        invoke("judge", run.path, "--tasks", "grade", *judge, *arguments)
    assert {request["temperature"] for request in server.requests} == {temperature}
