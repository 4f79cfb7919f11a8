"""Collecting the tests imports what the tests need, and nothing else."""

import ast
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
HEAVY = ("torch", "transformers", "matplotlib", "spacy", "pandas", "gradio")
CODE = f"""
import sys, pytest
status = pytest.main(["--collect-only", "-q", "-p", "no:cacheprovider", "src"])
print("LOADED", [name for name in {HEAVY} if name in sys.modules])
sys.exit(status)
"""

ON_USE = frozenset(
    ("jsonschema", "matplotlib", "nbclient", "nbformat", "openai", "pandas", "peft", "playwright",
     "pyarrow", "ray", "scipy", "spacy", "uvicorn", "wordllama")
)  # fmt: skip
"""Packages that only functions may import: they are slow to import, and few tests need them."""


def test_collecting_the_examples_of_docstrings_imports_nothing_heavy():
    done = subprocess.run(
        [sys.executable, "-c", CODE], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert "LOADED []" in done.stdout
    collected = {line.split("::")[0] for line in done.stdout.splitlines() if "::" in line}
    files = (path for path in (ROOT / "src").rglob("*.py") if ">>>" in path.read_text("utf-8"))
    assert collected == {path.relative_to(ROOT).as_posix() for path in files}


def imported(body: Sequence[ast.stmt]) -> Iterator[str]:
    """The packages that are imported with a module, `pytest.importorskip` included."""
    for node in body:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            yield from imported(node.orelse)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        elif isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0]
        elif isinstance(node, ast.Expr | ast.Assign):
            for call in ast.walk(node):
                if isinstance(call, ast.Call) and "importorskip" in ast.unparse(call.func):
                    yield str(ast.literal_eval(call.args[0])).split(".")[0]
        else:
            for name in ("body", "orelse", "finalbody"):
                yield from imported(getattr(node, name, ()))


@pytest.mark.parametrize("folder", ["src/pixfoundation", "recipes", "tests"])
def test_modules_import_slow_packages_in_the_functions_that_use_them(folder):
    found = {
        f"{path.relative_to(ROOT)}: {package}"
        for path in (ROOT / folder).rglob("*.py")
        for package in imported(ast.parse(path.read_text("utf-8")).body)
        if package in ON_USE
    }
    assert not found


def test_the_check_sees_imports_in_all_their_forms():
    code = """
import ray.util
from pandas import DataFrame
if TYPE_CHECKING:
    import spacy
try:
    import gradio
except ImportError:
    pass
expect = pytest.importorskip("playwright.sync_api").expect
def draw():
    import matplotlib
"""
    assert list(imported(ast.parse(code).body)) == ["ray", "pandas", "gradio", "playwright"]
