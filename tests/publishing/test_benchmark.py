"""`eval.yaml` declares the tasks that entries of `.eval_results` name."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

import pixfoundation as pf
from pixfoundation.cli import app
from pixfoundation.datasets import datasets
from pixfoundation.errors import DataError
from pixfoundation.publishing.benchmark import Benchmark
from pixfoundation.publishing.eval_results import EvalResult
from tests.optional import needs
from tests.report.test_page import make_run

pytestmark = needs("yaml")


def tasks_of(samples, **options):
    import yaml

    data = yaml.safe_load(
        Benchmark(**options).to_yaml(SimpleNamespace(name="mine", samples=samples))
    )
    assert list(data) == ["name", "description", "evaluation_framework", "tasks"]
    return data


@pytest.fixture(scope="module")
def sample():
    return datasets.get("pixscenes")().samples[0]


def test_the_command_prints_a_file_with_a_task_per_figure():
    import yaml

    result = CliRunner().invoke(app, ["datasets", "benchmark", "pixscenes", "--title", "PixScenes"])
    data = yaml.safe_load(result.stdout)
    assert (data["name"], data["evaluation_framework"]) == ("PixScenes", "pixfoundation")
    tasks = {task["id"]: task for task in data["tasks"]}
    assert list(tasks) == ["S", "A_dagger", "A", "M_dagger", "M"]
    assert all((task["config"], task["split"]) == ("default", "test") for task in tasks.values())
    assert data["description"].startswith("300 samples")


def test_only_figures_that_a_run_can_have_are_tasks(sample):
    def ids(*samples):
        return [task["id"] for task in tasks_of(samples)["tasks"]]

    assert "S" in ids(sample)
    referring = replace(sample, question=None, options=(), answer=None)
    assert ids(referring) == ["M"]
    assert ids(replace(sample, expression=None)) == ["A_dagger", "A"]
    with pytest.raises(DataError, match="mine asks for neither"):
        ids(replace(referring, expression=None))


def test_an_entry_names_a_task_that_is_declared(sample, tmp_path):
    import yaml

    run = pf.ExportedRun(make_run(tmp_path).path)
    for figure in ("S", "M", "A"):
        EvalResult(model="a/b", benchmark="c/d", figure=figure).write(run, tmp_path / "e", "me/run")
        (entry,) = yaml.safe_load((tmp_path / "e").read_text())
        declared = [task["id"] for task in tasks_of([sample], split="train")["tasks"]]
        assert entry["dataset"]["task_id"] in declared
