"""What a command imports before it does anything; `perf/start.py` measures what that saves."""

import json
import os
import subprocess
import sys

import pytest

from pixfoundation.cli.commands import COMMANDS

TELL = """
import json, sys
sys.argv[0] = "pixfoundation"
from pixfoundation.cli import main
try:
    main()
except SystemExit:
    pass
print(json.dumps(sorted(name for name in sys.modules)), file=open({target!r}, "w"))
"""
HEAVY = {"torch", "transformers", "spacy", "matplotlib", "gradio", "pandas", "openai", "accelerate"}
MIDDLING = {"numpy", "pycocotools", "pydantic", "rich", "PIL", "jinja2"}


def imported(tmp_path, *arguments, **environment):
    """Return the top-level packages that a command imports."""
    target = tmp_path / "modules.json"
    done = subprocess.run(
        [sys.executable, "-c", TELL.format(target=str(target)), *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )
    assert "Traceback" not in done.stderr
    return {name.partition(".")[0] for name in json.loads(target.read_text())}


def test_help_imports_nothing_that_a_help_text_does_not_need(tmp_path):
    assert not imported(tmp_path, "--help") & (HEAVY | MIDDLING)
    assert not imported(tmp_path, "score", "--help") & (HEAVY | MIDDLING - {"pydantic"})


@pytest.mark.parametrize(
    ("words", "number"), [("pixfoundation sc", 1), ("pixfoundation run --mod", 2)]
)
def test_completion_imports_no_more(tmp_path, words, number):
    environment = {"COMP_WORDS": words, "COMP_CWORD": str(number)}
    complete = {"_PIXFOUNDATION_COMPLETE": "complete_bash"}
    assert not imported(tmp_path, **complete, **environment) & (HEAVY | MIDDLING)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_says_what_a_command_says_of_itself(name):
    """The summaries in `cli/commands.py` are the first sentences of the commands' own texts."""
    own = " ".join((COMMANDS[name].load(name).help or "").split("\n\n")[0].split())
    assert own.startswith(COMMANDS[name].summary)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run of the embedded models."""
    out = tmp_path_factory.mktemp("start") / "run"
    command = [sys.executable, "-m", "pixfoundation", "run", "--limit", "4", "--out", str(out)]
    subprocess.run(command, check=True, capture_output=True)
    return out


def test_a_score_needs_no_model_and_no_figure(run, tmp_path):
    assert not imported(tmp_path, "score", run) & (
        HEAVY | {"PIL", "jinja2", "pydantic", "filelock"}
    )


def test_a_report_needs_no_model_and_no_parser(run, tmp_path):
    modules = imported(tmp_path, "report", run, "--out", tmp_path)
    assert not modules & (HEAVY - {"matplotlib"} | {"pydantic"})


def test_a_list_of_runs_needs_no_coercion_by_pydantic(run, tmp_path):
    assert "pydantic" not in imported(tmp_path, "compare", run, run)


def test_stability_over_runs_needs_no_model(run, tmp_path):
    assert not imported(tmp_path, "stability", run, run) & {"torch", "transformers", "accelerate"}
