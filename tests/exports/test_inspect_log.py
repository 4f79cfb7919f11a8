"""A run becomes a log of Inspect with the figures of `score`; read back by the package itself."""

import sys

import pytest

import pixfoundation as pf
from pixfoundation.errors import PrerequisiteError
from pixfoundation.exports.inspect_log import _target
from tests.report.test_page import make_run
from tests.scoring.runs import letters, make_sample, write_run


@pytest.fixture
def run(tmp_path):
    """A run of a model that is always right."""
    return make_run(tmp_path).path


def test_a_missing_package_is_named(run, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "inspect_ai.log", None)
    with pytest.raises(PrerequisiteError, match=r"pixfoundation\[inspect\]"):
        pf.export("inspect", run, tmp_path / "log.eval")


def test_the_log_holds_every_answer_and_the_figures_of_score(run, tmp_path):
    package = pytest.importorskip("inspect_ai.log", reason="the extra inspect is not installed")
    made = pf.export("inspect", run, tmp_path / "log.eval")
    log = package.read_eval_log(str(made.files[0]))
    answers = list(pf.ExportedRun(run).answers())
    figures = pf.score(run).to_json(False)
    metrics = {
        name: metric.value for score in log.results.scores for name, metric in score.metrics.items()
    }

    assert log.status == "success"
    assert [sample.metadata["sample"] for sample in log.samples] == [a.sample.id for a in answers]
    assert [sample.output.completion for sample in log.samples] == [a.text for a in answers]
    assert {name: figures[name] for name in metrics} == metrics
    scores = [(name, score.value) for s in log.samples for name, score in s.scores.items()]
    assert {value for name, value in scores if name == "accuracy"} == {"C"}
    assert {value for name, value in scores if name == "iou"} == {a.iou for a in answers} - {None}


def test_a_log_without_images_names_their_files(run, tmp_path):
    package = pytest.importorskip("inspect_ai.log", reason="the extra inspect is not installed")
    made = pf.export("inspect", run, tmp_path / "log.json", {"images": False})
    sample = package.read_eval_log(str(made.files[0])).samples[0]

    assert sample.input[0].content[0].image.endswith(".png")


@pytest.mark.parametrize(
    ("protocol", "fields", "target"),
    [
        (1, {}, "A"),
        (3, {}, "the door"),
        (1, {"options": (), "answer": None, "references": ("red", "Dark red")}, "red; Dark red"),
    ],
)
def test_the_target_is_the_letter_the_texts_or_the_expression(tmp_path, protocol, fields, target):
    answers = letters("red", protocol=protocol)
    run = write_run(tmp_path / "free", [make_sample("1", None, **fields)], answers)
    (answer,) = pf.ExportedRun(run.path).answers()
    assert _target(answer) == target
