"""What the README shows is true."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()

NO_NETWORK = """
import socket
def deny(*args, **kwargs):
    raise AssertionError("something asked for the network")
socket.socket.connect = socket.socket.connect_ex = deny
socket.getaddrinfo = socket.create_connection = deny
"""


def run_python(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "XDG_CACHE_HOME": str(folder / "cache")}
    return subprocess.run(
        [sys.executable, "-c", NO_NETWORK + code],
        capture_output=True,
        text=True,
        cwd=folder,
        env=environment,
    )


GENERATED = {"reference/cli.md", "../reference/cli.md", "changelog.md", "contributing.md"}
"""Pages that docs/build_pages.py makes when the site is built, as other pages link to them."""


def test_every_linked_file_is_there():
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
            if target not in GENERATED:
                assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.slow
def test_the_python_example_runs_without_a_network(tmp_path):
    (code,) = re.findall(r"<!-- python-example -->\n```python\n(.*?)```", README, re.DOTALL)
    assert len([line for line in code.splitlines() if line.strip()]) <= 10
    done = run_python(code, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "oracle_random" in done.stdout


@pytest.mark.slow
def test_the_demo_runs_without_a_network(tmp_path):
    code = "import sys; sys.argv = ['pixfoundation', 'demo', '--limit', '6', '--out', 'demo']\n"
    done = run_python(code + "from pixfoundation.cli import main; main()", tmp_path)
    assert done.returncode == 0, done.stderr
    page = tmp_path / "demo" / "report" / "index.html"
    assert str(page) in done.stderr.replace("\n", "")
    assert page.stat().st_size > 10_000
    assert "oracle" in done.stdout
