"""The script that makes the documentation's figures of the embedded models anew."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from typer.main import get_command

from pixfoundation.cli import app

ROOT = Path(__file__).resolve().parent.parent
DRAWN_WITHOUT_A_MODEL = {"pixscenes_styles.png"}


@pytest.fixture
def figures(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "docs")
    import embedded_figures

    return embedded_figures


@pytest.fixture
def tables(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "docs")
    import embedded_tables

    return embedded_tables


def test_every_command_is_one_that_there_is(figures):
    commands = get_command(app).commands
    for step in figures.STEPS:
        for line in step.commands.values():
            limit = figures.UpTo(4)
            filled = line.format(runs="runs", out=str(ROOT), limit=limit, image=str(ROOT))
            program, name, *arguments = shlex.split(filled)
            if program == "pixfoundation":
                with commands[name].make_context(name, arguments):
                    pass  # the options are understood
            else:
                assert program == "python"
                assert name == "-m" or (ROOT / name).is_file()


def test_every_picture_comes_from_a_step(figures):
    made = [name for step in figures.STEPS for name in step.pictures]
    there = {path.name for path in (ROOT / "docs" / "images").iterdir()}
    assert len(made) == len(set(made))
    assert set(made) | DRAWN_WITHOUT_A_MODEL == there


def test_every_marked_table_has_its_maker(figures, tables):
    marked = {
        (name, path.name)
        for path in (ROOT / "docs").glob("*.md")
        for name in re.findall(r"<!-- embedded: (\w+) -->", path.read_text(encoding="utf-8"))
    }
    assert marked == {(name, block.page) for name, block in tables.BLOCKS.items()}
    known = {step.name for step in figures.STEPS}
    assert all(block.steps <= known for block in tables.BLOCKS.values())
    assert set(tables.FACTS) <= known


def test_a_table_takes_the_place_of_the_earlier_one_and_of_nothing_else(tables):
    page = "a\n\n<!-- embedded: x -->\n\n| old |\n\n<!-- end -->\n\nb\n\n<!-- end -->\n"
    new = tables.replaced(page, "x", r"| \1 |")
    assert new == page.replace("| old |", r"| \1 |")
    with pytest.raises(ValueError, match="0 tables 'y'"):
        tables.replaced(page, "y", "")


def test_points_are_shown_as_percent_with_their_interval(tables, tmp_path):
    def write(path: str, value: float):
        found = {"present": value, "present_interval": [value - 0.05, value + 0.05]}
        scores = {"miou": {"protocol3": {"oracle": found, "oracle_random": found}}}
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(json.dumps(scores))

    write("plain/score.json", 0.5)
    write("ranks/score-2.json", 0.25)
    write("ranks/score-3.json", 0.125)
    rows = tables.points(tmp_path).splitlines()
    assert rows[2] == "| first maximum | 50.0 [45.0, 55.0] | 38.0 |"
    assert rows[3] == "| second | 25.0 [20.0, 30.0] | 37.9 |"
    assert rows[5] == "| random points | 50.0 [45.0, 55.0] | 26.4 |"


def test_few_samples_have_no_interval_and_no_sample_no_number(tables):
    assert tables.percent({"value": 0.5, "interval": [0.4, 0.6]}) == "50.0 [40, 60]"
    assert tables.percent({"value": 0.5, "interval": None}) == "50.0"
    assert tables.nats({"value": None, "interval": None}) == "-"


def test_a_step_that_fails_costs_those_that_need_it_and_is_made_again(
    figures, monkeypatch, tmp_path, capfd
):
    flag = tmp_path / "flag"
    step, code = figures.Step, "import pathlib, sys; sys.exit(not pathlib.Path({!r}).exists())"
    monkeypatch.setattr(
        figures,
        "STEPS",
        (
            step("good", {"out.txt": "python -c 'print({limit:300})'"}, writes="run"),
            step("bad", {"out.txt": f"python -c {shlex.quote(code.format(str(flag)))}"}),
            step("after", {"out.txt": "python -c pass"}, needs=("bad", "good")),
        ),
    )
    outputs = figures.Outputs(tmp_path / "made", limit=4)
    steps = figures.with_needs(["after"])
    assert not figures.make_all(outputs, steps, jobs=2)
    assert "Not done: bad, after." in capfd.readouterr().out
    assert (outputs.of("good") / "out.txt").read_text() == "4\n"
    flag.touch()
    assert figures.make_all(outputs, steps, jobs=2)
    assert "good" not in capfd.readouterr().out  # it was done
    assert outputs.folder.name == f"{figures.weights_hash()}-4"
    with pytest.raises(SystemExit, match="no step 'afte'"):
        figures.with_needs(["afte"])


def test_a_notebook_keeps_its_output_and_nothing_of_the_machine(figures):
    said = [{"output_type": "stream", "name": name, "text": ["é"]} for name in ("stdout", "stderr")]
    cells = [{"cell_type": "markdown"}, {"cell_type": "code", "outputs": said}]
    metadata = {"language_info": {"name": "python", "version": "3.11.7"}}
    made = {"cells": cells, "metadata": metadata, "nbformat": 4}
    written = figures.without_machine(json.dumps(made))
    assert "é" in written
    assert json.loads(written) == {
        "cells": [cells[0], {**cells[1], "outputs": said[:1]}],
        "metadata": {"language_info": {"name": "python"}},
        "nbformat": 4,
    }
