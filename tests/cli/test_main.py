"""The command line says what it can do, and what went wrong, in words a person can act on."""

import json
import subprocess
import sys

import pytest

TOO_LONG = 300 * "x"
"""A name that no file can have."""


def pixfoundation(*arguments):
    return subprocess.run(
        [sys.executable, "-c", "from pixfoundation.cli import main; main()", *map(str, arguments)],
        capture_output=True,
        text=True,
    )


def test_version_and_help():
    assert pixfoundation("--version").stdout.startswith("pixfoundation 0.")
    text = pixfoundation("--help").stdout
    for command in ("demo", "run", "score", "report", "ground", "models", "datasets", "segmenters"):
        assert f" {command} " in text


@pytest.mark.parametrize("command", ["run", "score", "report", "ground", "demo"])
def test_every_command_shows_an_example(command):
    assert f"pixfoundation {command} " in pixfoundation(command, "--help").stdout


@pytest.mark.parametrize(
    ("kind", "name"),
    [("models", "tiny-llava"), ("datasets", "pixscenes"), ("segmenters", "tiny-sam")],
)
def test_listings_as_table_and_as_json(kind, name):
    assert name in pixfoundation(kind).stdout
    assert name in [entry["name"] for entry in json.loads(pixfoundation(kind, "--json").stdout)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "--model", "tiny-lava"], "Did you mean 'tiny-llava'"),
        (["run", "--dataset", "pixscene"], "Did you mean 'pixscenes'"),
        (["run", "--segmenter", "tinysam"], "Did you mean 'tiny-sam'"),
        (["score", "no-such-run"], "is not a run directory"),
        (["report", "no-such-run"], "is not a run directory"),
        (["ground", "no-such.jpg", "a door"], "There is no image at no-such.jpg"),
        (["run", "--model", f"./{TOO_LONG}"], "There is no"),
        (["run", "--dataset", "pixmmvp", "--data-root", TOO_LONG], "File name too long"),
    ],
)
def test_a_mistake_is_one_sentence_and_no_traceback(arguments, message):
    done = pixfoundation(*arguments)
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_protocols_are_numbers():
    done = pixfoundation("run", "--protocols", "1,4")
    assert done.returncode == 2
    assert "1, 2 and 3" in done.stderr


def test_a_traceback_can_be_asked_for():
    assert "Traceback" in pixfoundation("--traceback", "score", "no-such-run").stderr
