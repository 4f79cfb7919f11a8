"""The wheel alone, in a fresh environment outside the repository, runs the demonstration."""

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "how-to" / "install.md").read_text(encoding="utf-8")
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel of this source; skipped where the build backend cannot be fetched."""
    out = tmp_path_factory.mktemp("dist")
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if uv is None:
        pytest.skip("uv is not installed")
    done = subprocess.run(
        [uv, "build", "--wheel", "--out-dir", str(out), str(ROOT)], capture_output=True, text=True
    )
    if done.returncode and "hatchling" in done.stderr and "fetch" in done.stderr.lower():
        pytest.skip("the build backend cannot be fetched")
    assert done.returncode == 0, done.stderr
    (file,) = out.glob("*.whl")
    return file


@pytest.fixture(scope="module")
def run(wheel, tmp_path_factory):
    """Return a function that runs the installed program in an empty folder.

    The environment holds the wheel; packages of others are those of this environment.
    """
    folder = tmp_path_factory.mktemp("fresh")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True)
    python = folder / "venv" / "bin" / "python"
    packages = Path(
        subprocess.check_output(
            [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], text=True
        ).strip()
    )
    uv = [sys.executable, "-m", "uv", "pip", "install", "-q", "--offline", "--no-deps"]
    subprocess.run([*uv, "--python", python, wheel], check=True)
    (packages / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    (folder / "empty").mkdir()
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}

    def call(*arguments):
        program = folder / "venv" / "bin" / "pixfoundation"
        return subprocess.run(
            [program, *map(str, arguments)],
            cwd=folder / "empty",
            env=environment,
            capture_output=True,
            text=True,
        )

    done = subprocess.run(
        [python, "-c", "import pixfoundation; print(pixfoundation.__file__)"],
        capture_output=True,
        text=True,
        env=environment,
        cwd=folder / "empty",
    )
    assert str(folder) in done.stdout, done.stderr
    return call


def test_its_size_is_the_one_that_the_page_states(wheel):
    stated = re.search(r"The wheel is (\d+) MB", PAGE)
    assert stated is not None
    assert abs(wheel.stat().st_size / 1e6 - int(stated[1])) < 1.0


def test_the_demonstration_runs_from_the_wheel(run, tmp_path):
    done = run("demo", "--limit", 2, "--out", tmp_path / "demo")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "demo" / "report" / "index.html").is_file()
    done = run("export", "csv", tmp_path / "demo" / "run", "--out", tmp_path / "answers.csv")
    assert done.returncode == 0, done.stderr
    listed = run("recipe", "--json")
    assert "embedded" in [each["name"] for each in json.loads(listed.stdout)]


def test_the_dockerfile_copies_what_is_there_and_installs_known_extras():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for names in re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE):
        for name in names.split():
            assert (ROOT / name).exists(), name
    (extras,) = re.findall(r"\[([\w,]+)\]\"", DOCKERFILE)
    assert set(extras.split(",")) <= set(project["optional-dependencies"])
    commands = re.split(r"&&|\n", DOCKERFILE.replace("\\\n", " "))
    installs = [each for each in commands if "pip install" in each]
    assert len(installs) == 3
    assert all("-c constraints.txt" in each for each in installs), "no version is left open"
    assert "ARG BACKEND=cpu" in DOCKERFILE
    assert "python:3.11" in DOCKERFILE
    assert project["requires-python"] == ">=3.11"


def test_the_installation_page_lists_every_extra_for_users():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    page = (ROOT / "docs" / "how-to" / "install.md").read_text()
    listed = [
        re.findall(r"`([\w-]+)`", row.split("|")[1]) for row in page.splitlines() if "|" in row
    ]
    names = {name for row in listed for name in row}
    assert names == set(project["optional-dependencies"]) - {"docs", "dev"}
