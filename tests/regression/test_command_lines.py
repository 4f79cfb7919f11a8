"""Command lines of November 2026 keep working, whatever their options are called later."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import pixfoundation as pf
from pixfoundation.cli import app
from tests.regression.document import CPU, EARLIER_RUN, call, call_json, lines_of

COMMANDS = json.loads((Path(__file__).parent / "command_lines_2026_11.json").read_text())
"""By command its options, each with a value that it takes, or null for a flag."""

NAMES: dict[str, list[str]] = COMMANDS["names"]
OPTIONS: list[tuple[str, str, str | None]] = [
    (command, option, value)
    for command, options in COMMANDS["options"].items()
    for option, value in options.items()
]


def parses(*words: str) -> bool:
    """Whether a command line is understood; `--help` keeps it from doing anything."""
    result = CliRunner().invoke(app, [*words, "--help"])
    return result.exit_code == 0 and "Usage" in result.output


@pytest.mark.parametrize("command", COMMANDS["options"])
def test_the_command_is_there(command: str) -> None:
    assert parses(*command.split())


@pytest.mark.parametrize(("command", "option", "value"), OPTIONS)
def test_the_option_is_understood(command: str, option: str, value: str | None) -> None:
    assert parses(*command.split(), option, *([] if value is None else [value]))


def test_an_unknown_option_is_not_understood() -> None:
    assert not parses("score", "--no-such-option")
    assert not parses("run", "--part-of", "1/2")
    assert not parses("no-such-command")


@pytest.mark.parametrize("kind", NAMES)
def test_names_are_still_known(kind: str) -> None:
    known = {entry["name"] for entry in call_json(kind, "--json")}
    assert set(NAMES[kind]) <= known


def test_public_names_of_the_package() -> None:
    assert set(NAMES_IN_PYTHON) <= set(pf.__all__)
    assert all(getattr(pf, name) is not None for name in NAMES_IN_PYTHON)


NAMES_IN_PYTHON = (
    "Answer", "Candidate", "Mask", "RunDirectory", "Sample", "__version__", "evaluate", "ground",
    "load_dataset", "load_model", "load_segmenter", "score",
)  # fmt: skip


# ---- the real thing, on a small run ------------------------------------------------------------


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return Path(shutil.copytree(EARLIER_RUN, tmp_path / "run"))


@pytest.mark.parametrize(
    ("options", "setting"),
    [
        (["--judge", "rules"], {"grade_judge": "rules", "pick_judge": None}),
        (["--judge", "openai:stub"], {"grade_judge": "openai:stub", "pick_judge": "openai:stub"}),
        (["--parser", "published"], {"parser": "published"}),
        (["--parser", "published-cvbench"], {"parser": "published-cvbench"}),
        (["--empty", "skip"], {"empty": "skip"}),
        (["--native", "first"], {"native": "first"}),
        (["--published"], {"published": True, "parser": "published"}),
        (["--replicates", "7", "--seed", "3"], {"replicates": 7, "seed": 3}),
        (["--selectors", "oracle,similarity", "--selector", "oracle"], {}),
        (["--per-image"], {}),
    ],
)
def test_score(run: Path, options: list[str], setting: dict[str, Any]) -> None:
    settings = call_json("score", run, "--json", *options)["settings"]
    assert {key: settings[key] for key in setting} == setting


def test_other_commands_on_a_run(run: Path, tmp_path: Path) -> None:
    assert "oracle" in call("score", run)
    assert call("when", run, "--draws", 5)
    assert call_json("when", run, run, "--json", "--draws", 5, "--judge", "rules")
    assert call("compare", run, run, "--replicates", 5)
    assert "|" in call("table", run, "--selectors", "oracle", "--intervals")
    assert call("report", run, "--out", tmp_path / "page", "--title", "Title")
    assert (tmp_path / "page" / "index.html").exists()


def test_run_without_a_segmenter_and_in_parts(tmp_path: Path) -> None:
    out = tmp_path / "out"
    for part in ("1/2", "2/2"):
        call(
            "run", *CPU, "--limit", 2, "--protocols", 2, "--segmenter", "none", "--part", part,
            "--max-new-tokens", 2, "--out", out,
        )  # fmt: skip
    answered = [record for file in out.glob("answers*.jsonl") for record in lines_of(file)]
    assert {record["sample"] for record in answered} == {"1", "2"}


def test_data_check(tmp_path: Path) -> None:
    assert call_json("data", "check", "pixscenes", "--json")["facts"]
    assert parses("data", "fetch", "pixmmvp", "--to", str(tmp_path / "there"))
