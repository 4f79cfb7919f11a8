"""Imports run one way, and importing the package loads nothing heavy."""

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "src" / "pixfoundation"

LAYERS = [
    {"errors", "existence", "wording"},
    {"typed_options", "failures", "toml_files", "extras"},
    {"option_bundles"},
    {"conventions", "registry", "geometry", "hub"},
    {"run_lengths", "stored", "typed_json"},
    {"masks", "images", "processors", "forward", "kept_maps"},
    {"types", "metrics", "trial"},
    {"answer_parts", "option_letters"},
    {"endpoints"},
    {"prompts", "choice_parsing", "phrases", "similarity", "attention"},
    {"options", "variants", "reading"},
    {"datasets", "judges"},
    {"models"},
    {"segmenters"},
    {"grounding"},
    {"engines", "loading"},
    {"recipe"},
    {"runs"},
    {"selectors"},
    {"scoring"},
    {"emergence", "sensitivity"},
    {"where"},
    {"causes"},
    {"parts"},
    {"evaluation", "report"},
    {"single_image", "controls", "exports", "doctor", "integrations"},
    {"publishing", "trackers"},
    {"reproduction"},
    {"api"},
    {"plugins", "app"},
    {"cli"},
    {"__main__"},
]
LEVEL = {name: level for level, layer in enumerate(LAYERS) for name in layer}


def modules():
    return [
        path
        for path in sorted(PACKAGE.rglob("*.py"))
        if path.parent != PACKAGE or path.stem != "__init__"
    ]


def layer_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_run_downwards_only(path):
    own = layer_of(path)
    assert own in LEVEL, f"{own} is in no layer: add it to LAYERS and to docs/architecture.md"
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            parts = name.split(".")
            if parts[0] != "pixfoundation" or len(parts) == 1 or parts[1] == own:
                continue
            assert LEVEL[parts[1]] < LEVEL[own], f"{own} imports {parts[1]}, which is above it"


def test_the_architecture_page_names_every_unit_in_its_layer():
    page = (PACKAGE.parents[1] / "docs" / "architecture.md").read_text(encoding="utf-8")
    block = page.split("<!-- layers -->")[1].split("<!-- end -->")[0]
    lines = [line[:26] for line in block.splitlines() if line.strip() and "```" not in line]
    levels = [[LEVEL[unit.strip()] for unit in line.split(",")] for line in lines]
    assert {unit.strip() for line in lines for unit in line.split(",")} == set(LEVEL) - {"__main__"}
    heights = [level for line in levels for level in line]
    assert heights == sorted(heights, reverse=True)


def test_importing_the_package_and_asking_for_help_loads_nothing_heavy():
    code = (
        "import sys, pixfoundation, pixfoundation.cli, pixfoundation.api;"
        "print(sorted({'torch', 'transformers', 'spacy', 'matplotlib'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


MOST_PARAMETERS = 8


def parameters_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Number of parameters, without that of the object or class of a method."""
    names = function.args.posonlyargs + function.args.args + function.args.kwonlyargs
    return len([name for name in names if name.arg not in ("self", "cls")])


@pytest.mark.parametrize("unit", sorted(set(LEVEL) - {"cli", "__main__"}))
def test_a_function_outside_the_command_line_takes_at_most_eight_parameters(unit):
    found = [path for path in modules() if layer_of(path) == unit]
    assert found, f"{unit} has no module"
    long = [
        f"{path.relative_to(PACKAGE)}:{node.lineno} {node.name} takes {parameters_of(node)}"
        for path in found
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and parameters_of(node) > MOST_PARAMETERS
    ]
    assert not long, "group options that belong together in a small frozen type"


BASIC = {"app", "datasets", "models", "reading", "report", "reproduction", "segmenters"}
"""Packages that Pyright does not check strictly; `docs/architecture.md` says why."""


def test_pyright_checks_every_other_unit_strictly():
    root = PACKAGE.parents[1]
    with (root / "pyproject.toml").open("rb") as file:
        strict = tomllib.load(file)["tool"]["pyright"]["strict"]
    assert all((root / path).exists() for path in strict)
    units = {Path(path).stem for path in strict}
    assert set(LEVEL) - units <= BASIC | {"recipe"}
    assert not BASIC & units
