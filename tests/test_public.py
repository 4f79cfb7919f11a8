"""What is public is importable from two modules, documented, and enough for every example."""

import ast
import importlib
import inspect
import re
import typing
from pathlib import Path

import pytest

import pixfoundation
import pixfoundation.plugins

ROOT = Path(__file__).resolve().parent.parent
PUBLIC = {"pixfoundation", "pixfoundation.plugins", "pixfoundation.metrics"}
NETWORK_PAGES = {
    "cambrian.md",
    "omg_llava.md",
    "pixel_mllms.md",
    "sa2va.md",
    "unigr.md",
    "unipixel.md",
}
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


def registries():
    """Every registry of the package that is an entry-point group, by its group."""
    package = Path(pixfoundation.__file__).parent
    for path in sorted(package.rglob("base.py")):
        name = ".".join(("pixfoundation", *path.relative_to(package).with_suffix("").parts))
        for value in vars(importlib.import_module(name)).values():
            if isinstance(value, pixfoundation.plugins.Registry):
                yield pytest.param(name, value, id=value.group)


def classes_of(annotation):
    """The classes of the package in an annotation, unions and containers taken apart."""
    for member in typing.get_args(annotation):
        yield from classes_of(member)
    if inspect.isclass(annotation) and annotation.__module__.startswith("pixfoundation."):
        yield annotation


@pytest.mark.parametrize(("module", "registry"), list(registries()))
def test_a_plug_in_finds_its_registry_and_the_types_of_its_protocols_in_one_place(module, registry):
    public = [getattr(pixfoundation.plugins, name) for name in pixfoundation.plugins.__all__]
    assert any(value is registry for value in public)
    classes = vars(importlib.import_module(module)).values()
    protocols = [c for c in classes if getattr(c, "_is_protocol", False) and c.__module__ == module]
    assert protocols
    needed = set(protocols)
    for protocol in protocols:
        needed |= {c for a in typing.get_type_hints(protocol).values() for c in classes_of(a)}
        for function in vars(protocol).values():
            function = getattr(function, "fget", function)
            if inspect.isfunction(function):
                hints = typing.get_type_hints(function).values()
                needed |= {c for hint in hints for c in classes_of(hint)}
    missing = [c.__qualname__ for c in needed if not any(value is c for value in public)]
    assert not missing
