"""The examples of CONTRIBUTING.md work as they stand, and are as short as promised."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pixfoundation import api
from pixfoundation.datasets import datasets
from pixfoundation.models import models
from pixfoundation.segmenters import segmenters

TEXT = (Path(__file__).resolve().parent.parent / "CONTRIBUTING.md").read_text()
EXAMPLES = dict(re.findall(r"<!-- example: (\w+) -->\n```python\n(.*?)```", TEXT, re.DOTALL))


@pytest.fixture
def examples():
    with models.temporary(), datasets.temporary(), segmenters.temporary():
        for name, code in EXAMPLES.items():
            exec(compile(code, f"CONTRIBUTING.md:{name}", "exec"), {"__name__": f"example_{name}"})
        yield


def test_there_is_one_for_each_kind_in_under_fifty_lines():
    assert set(EXAMPLES) == {"model", "dataset", "segmenter"}
    assert all(code.count("\n") < 50 for code in EXAMPLES.values())


def test_together_they_make_a_run(examples, tmp_path):
    run = api.evaluate(
        api.load_model("brightest-half"),
        api.load_dataset("boxes", tmp_path / "data"),
        api.load_segmenter("same-brightness"),
        out=tmp_path / "run",
    )
    assert run.answers()["1", 2].text == "B"
    found = run.candidates()["0", 3]
    assert found.candidates[0].mask.contains(10, 30)
    assert len(found.random) == 3


@pytest.mark.slow
def test_a_package_of_ones_own_is_found_through_its_entry_point(tmp_path):
    package = tmp_path / "plugin"
    package.mkdir()
    (package / "bright_plugin.py").write_text(EXAMPLES["model"])
    (package / "pyproject.toml").write_text(
        '[project]\nname = "bright-plugin"\nversion = "1"\n'
        '[project.entry-points."pixfoundation.models"]\nbrightest-half = "bright_plugin:load"\n'
        '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
        '[tool.hatch.build.targets.wheel]\ninclude = ["bright_plugin.py"]\n'
    )
    target = tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(target)]
    subprocess.run([*pip, str(package)], check=True)
    environment = {**os.environ, "PYTHONPATH": str(target)}

    def pixfoundation(*arguments):
        code = "from pixfoundation.cli import main; main()"
        command = [sys.executable, "-c", code, *arguments]
        done = subprocess.run(
            command, capture_output=True, text=True, env=environment, cwd=tmp_path
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "from the package bright-plugin" in pixfoundation("models", "brightest")
    pixfoundation(
        *("run", "--model", "brightest-half", "--limit", "2", "--segmenter", "none"),
        *("--out", "run"),
    )
    assert json.loads(pixfoundation("score", "run", "--json"))["run"] == "brightest-half"
