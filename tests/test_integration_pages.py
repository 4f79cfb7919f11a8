"""The commands of the pages about other tools run as they stand there.

Where the package of a tool is not installed, its command has to say so and name the extra.
"""

import re
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pixfoundation.cli import app
from pixfoundation.errors import PrerequisiteError
from pixfoundation.runs.config import DatasetDescription
from tests.optional import needs
from tests.report.test_page import CONFIG, make_run

PAGES = Path(__file__).resolve().parent.parent / "docs" / "how-to"
UNSOUND = 3
"""Exit code of a run that lacks something."""


def commands(page: str, command: str):
    """Every line of the page's blocks, and of its tables, that runs a command."""
    text = (PAGES / page).read_text(encoding="utf-8")
    blocks = "\n".join(re.findall(r"```bash\n(.*?)```", text, re.DOTALL))
    lines = [*blocks.splitlines(), *re.findall(r"`(pixfoundation [^`]*)`", text)]
    found = [shlex.split(line, comments=True)[1:] for line in lines if line.startswith("pixf")]
    return [words for words in dict.fromkeys(map(tuple, found)) if words[:1] == (command,)]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with runs of the names that the pages use; no client reaches a network."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    config = replace(CONFIG, dataset=DatasetDescription(name="pixmmvp"))
    for name in ("first", "llava"):
        make_run(tmp_path / "runs", config=config).path.rename(tmp_path / "runs" / name)
    return tmp_path


@pytest.mark.parametrize(
    ("page", "command"),
    [
        ("trackers.md", "track"),
        ("export.md", "export"),
        pytest.param("compare.md", "emergence", marks=pytest.mark.slow),
    ],
)
def test_commands_run_or_name_the_missing_extra(page, command, here):
    found = commands(page, command)
    assert len(found) > 1
    for words in found:
        if "RUN" in words:
            continue
        result = CliRunner().invoke(app, words)
        if isinstance(result.exception, PrerequisiteError):
            assert "pip install 'pixfoundation[" in str(result.exception)
        else:
            assert result.exit_code in (0, UNSOUND), (words, result.output, result.exception)


@pytest.mark.slow
@needs("huggingface_hub", "pyarrow", "yaml")
def test_a_data_set_of_the_hub_is_written_as_the_page_says(here):
    dry = [words for words in commands("hub.md", "push") if "--dry-run" in words]
    assert len(dry) == 2
    for words in dry:
        result = CliRunner().invoke(app, words)
        assert result.exit_code in (0, UNSOUND), result.output
    text = (PAGES / "hub.md").read_text()
    for path in re.findall(r"`((?:dataset|model)/[^`]*)`", text):
        assert list(here.glob(f"runs/*/exports/hub/{path}")), path
