"""Collecting the tests imports what the tests need, and nothing else."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HEAVY = ("transformers", "matplotlib", "spacy", "pandas", "gradio")
CODE = f"""
import sys, pytest
status = pytest.main(["--collect-only", "-q", "-p", "no:cacheprovider", "src"])
print("LOADED", [name for name in {HEAVY} if name in sys.modules])
sys.exit(status)
"""


def test_collecting_the_examples_of_docstrings_imports_nothing_heavy():
    done = subprocess.run(
        [sys.executable, "-c", CODE], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert "LOADED []" in done.stdout
    collected = {line.split("::")[0] for line in done.stdout.splitlines() if "::" in line}
    files = (path for path in (ROOT / "src").rglob("*.py") if ">>>" in path.read_text("utf-8"))
    assert collected == {path.relative_to(ROOT).as_posix() for path in files}
