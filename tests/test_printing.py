"""Only the command line and `python -m` print; the library returns values and logs."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "src" / "pixfoundation"
PRINTING_MODULES = ("pprint", "rich", "tqdm", "typer", "click")


def printing(source: str) -> list[str]:
    """Return the statements that print or may: calls, standard output, imports of printers."""
    result = []
    for node in ast.walk(ast.parse(source)):
        modules = []
        if isinstance(node, ast.Name) and node.id == "print":
            result.append(f"line {node.lineno}: print")
        elif isinstance(node, ast.Attribute) and node.attr in ("stdout", "__stdout__"):
            if isinstance(node.value, ast.Name) and node.value.id == "sys":
                result.append(f"line {node.lineno}: sys.{node.attr}")
        elif isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            modules = [node.module or ""]
        result += [
            f"line {node.lineno}: import of {name}"
            for name in modules
            if name.split(".")[0] in PRINTING_MODULES
        ]
    return result


@pytest.mark.parametrize(
    "path",
    [
        path
        for path in sorted(PACKAGE.rglob("*.py"))
        if PACKAGE / "cli" not in path.parents and path.name != "__main__.py"
    ],
    ids=lambda path: str(path.relative_to(PACKAGE)),
)
def test_nothing_outside_the_command_line_prints(path):
    assert not printing(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("source", "count"),
    [
        ("print(1)", 1),
        ("show = print", 1),
        ("import sys\nsys.stdout.write('1')", 1),
        ("def f():\n    from rich.console import Console", 1),
        ("import logging\nlogging.getLogger('a').info('print')", 0),
        ("done.stdout.read()", 0),
    ],
)
def test_the_check_sees_what_prints(source, count):
    assert len(printing(source)) == count
