"""What is public is importable from two modules, documented, and enough for every example."""

import ast
import importlib
import inspect
import re
from pathlib import Path

import pytest

import pixfoundation
import pixfoundation.plugins

ROOT = Path(__file__).resolve().parent.parent
PUBLIC = {"pixfoundation", "pixfoundation.plugins"}
NETWORK_PAGES = {"cambrian.md", "omg_llava.md", "pixel_mllms.md"}
"""Pages that also show how to use the networks as functions of tensors, which is internal."""
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("module", sorted(PUBLIC))
def test_every_public_name_exists_and_is_documented(module):
    public = importlib.import_module(module)
    for name in public.__all__:
        value = getattr(public, name)
        if inspect.isclass(value) or inspect.isfunction(value):
            assert value.__doc__, f"{module}.{name} has no docstring"


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        pixfoundation.nothing  # noqa: B018


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_examples_import_public_modules_only(page):
    for code in re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL):
        try:
            tree = ast.parse(code)
        except SyntaxError:
            continue  # a fragment with an ellipsis
        for node in ast.walk(tree):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            for name in names:
                if name.split(".")[0] == "pixfoundation" and page.name not in NETWORK_PAGES:
                    assert name in PUBLIC, f"{page.name} imports {name}"
