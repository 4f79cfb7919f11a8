"""Whatever is missing is named at once, with one command."""

import subprocess
import sys
from importlib.machinery import PathFinder
from importlib.util import find_spec
from pathlib import Path

import pytest

from pixfoundation import api, extras
from pixfoundation.errors import PrerequisiteError

RUN_WITHOUT = """
import importlib.util, sys
missing = set(sys.argv.pop(1).split(","))
find = importlib.util.find_spec

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in missing:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())
importlib.util.find_spec = lambda name: None if name in missing else find(name)
from pixfoundation.cli import main
main()
"""
IMAGE = Path(__file__).resolve().parents[1] / "docs" / "images" / "app.png"
DEMO = "torch,transformers,safetensors,spacy,wordllama"


def without(*packages):
    """Return what finds the packages of this environment but those."""
    return lambda name: None if name in packages else find_spec(name)


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        (DEMO, "torch, transformers, safetensors, spacy, wordllama, .* 'pixfoundation\\[demo\\]'"),
        ("spacy,wordllama", "spacy, wordllama, .* 'pixfoundation\\[nouns\\]'"),
        ("torch", "the package 'torch', .* 'pixfoundation\\[models\\]'"),
    ],
)
def test_all_that_is_missing_is_named(monkeypatch, missing, words):
    monkeypatch.setattr(extras, "find_spec", without(*missing.split(",")))
    with pytest.raises(PrerequisiteError, match=words):
        api.check_packages("tiny-llava", "tiny-sam")


def test_a_folder_of_the_name_of_a_package_is_no_package(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "inspect_ai").mkdir()
    monkeypatch.setitem(extras.EXTRAS, "inspect", ("inspect_ai", "numpy"))
    monkeypatch.setattr(extras, "find_spec", lambda name: PathFinder.find_spec(name, sys.path[:1]))
    assert extras.missing_from("inspect") == ["inspect_ai", "numpy"]


def test_what_a_model_does_not_need_is_not_asked_for(monkeypatch):
    monkeypatch.setattr(extras, "find_spec", without("spacy", "wordllama"))
    api.check_packages("lisa-7b-explanatory", None)  # gives masks itself
    api.check_packages("tiny-llava", None)  # nothing is grounded without a segmenter
    monkeypatch.setattr(extras, "find_spec", without("wordllama"))
    api.check_packages("tiny-llava", "tiny-sam")  # other vectors stand in


@pytest.mark.parametrize(
    "arguments",
    [
        ("demo", "--quick"),
        ("run", "--limit", "1"),
        ("ground", str(IMAGE), "the car"),
        ("app",),
    ],
    ids=lambda arguments: arguments[0],
)
def test_commands_name_all_missing_packages_and_write_nothing(tmp_path, arguments):
    done = subprocess.run(
        [sys.executable, "-c", RUN_WITHOUT, DEMO, *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    words = " ".join(done.stderr.split())
    assert "torch, transformers, safetensors, spacy, wordllama, which are not" in words
    assert "pip install 'pixfoundation[demo]'" in words
    assert "Traceback" not in words
    assert not list(tmp_path.iterdir())


def test_a_module_that_is_missing_anywhere_names_its_extra(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", RUN_WITHOUT, "torch", "curves", str(tmp_path)],
        capture_output=True,
        text=True,
    )
    assert "Traceback" not in done.stderr
    assert "pip install 'pixfoundation[models]'" in " ".join(done.stderr.split())
