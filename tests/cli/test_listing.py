"""The listings say what is known, what each gives and needs, on narrow terminals too."""

import json

import pytest
from typer.testing import CliRunner

from pixfoundation import plugins
from pixfoundation.cli import app
from pixfoundation.cli.licence import show_licence
from pixfoundation.errors import UnknownNameError
from pixfoundation.models import models
from pixfoundation.models.card import known_checkpoints

GROUPED = ("datasets", "variants")
"""Commands that do more than list."""


def listing(*arguments, columns=80):
    result = CliRunner().invoke(app, arguments, env={"COLUMNS": str(columns), "TERM": "dumb"})
    if isinstance(result.exception, UnknownNameError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_every_name_is_whole_and_no_line_too_long(columns):
    text = listing("models", columns=columns)
    assert all(len(line) <= columns for line in text.splitlines())
    for entry in models:
        assert any(line.startswith(entry.name) for line in text.splitlines())


def test_the_json_has_gives_weights_memory_and_the_published_row():
    entries = {entry["name"]: entry for entry in json.loads(listing("models", "--json"))}
    assert entries["llava-1.5-7b"] == {
        "name": "llava-1.5-7b",
        "summary": "LLaVA 1.5 on Vicuna 7B",
        "gives": "attention",
        "weights": "llava-hf/llava-1.5-7b-hf",
        "memory": "14 GB in half precision",
        "reproduces": "LLaVA-1.5 7B + attend-and-segment (PixFoundation, arXiv 2502.04192)",
    }
    assert all(entry["gives"] for entry in entries.values())
    local = {name for name, entry in entries.items() if "needs" not in entry}
    assert set(entries) - local == {"openai", "worker"}
    assert all({"weights", "memory"} <= entries[name].keys() for name in local)
    assert {known.name for _, known in known_checkpoints() if known.published_row} <= {
        name for name, entry in entries.items() if "reproduces" in entry
    }


def test_every_model_of_the_published_table_is_there():
    rows = " ".join(
        entry.get("reproduces", "") for entry in json.loads(listing("models", "--json"))
    )
    for row in (
        *("LLaVA-1.5 7B", "LLaVA-1.5 13B", "Cambrian-1 (8B)"),
        *("LISA (7B)", "GLaMM (7B)", "LLaVA-G (7B)", "OMG LLaVA (7B)"),
    ):
        assert row in rows


def test_a_narrowed_list_shows_each_licence_once():
    shown = " ".join(listing("models", "lisa").split())
    assert shown.count("LISA: the code is Apache-2.0.") == 1
    assert "Apache" not in listing("models")
    (entry,) = json.loads(listing("models", "omg-llava", "--json"))
    assert "OMG-Seg MIT" in entry["licence"]


def test_a_word_narrows_the_list_and_one_that_nobody_has_is_an_error():
    names = [entry["name"] for entry in json.loads(listing("models", "lisa", "--json"))]
    assert names == ["lisa-13b", "lisa-13b-explanatory", "lisa-7b", "lisa-7b-explanatory"]
    assert [e["name"] for e in json.loads(listing("models", "OMG-SEG", "--json"))] == ["omg-llava"]
    with pytest.raises(UnknownNameError, match="Did you mean 'lisa-7b'"):
        listing("models", "lisa7b")
    assert "tiny-sam" in listing("segmenters", "tiny")
    assert "pixscenes" in listing("datasets", "pixscenes")


def test_the_licence_of_a_model_is_shown_before_it_is_loaded(capsys):
    show_licence("lisa-7b")
    show_licence("tiny-llava")
    assert capsys.readouterr().err.count("LISA: the code is Apache-2.0") == 1


def test_every_registry_has_a_command_that_lists_it():
    registries = [value for value in vars(plugins).values() if isinstance(value, plugins.Registry)]
    assert len(registries) > 5
    for registry in registries:
        command = registry.group.removeprefix("pixfoundation.")
        entries = json.loads(listing(*([command, "list"] if command in GROUPED else [command]),
                                     "--json"))  # fmt: skip
        assert {entry["name"] for entry in entries} == {entry.name for entry in registry}
