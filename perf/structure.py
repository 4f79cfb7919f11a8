"""Size and structure of the source code: the table of `docs/architecture.md`.

    python perf/structure.py [CHECKOUT ...]   # of this checkout, or of others side by side
    python perf/structure.py --strict ...     # count the errors of strict Pyright, too (minutes)

A unit is a module or package directly below `src/pixfoundation`; one unit depends on another if any
of its modules imports from it, at whatever place in the file.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

LARGE = 8
"""Greatest number of parameters that the rules of the code allow outside the command line."""


@dataclass(frozen=True, slots=True)
class Structure:
    """What is measured of one checkout.

    Attributes:
        lines: Lines of Python by unit.
        modules: Lines of each module, by path below the package.
        dependencies: Pairs of units of which the first imports the second.
        parameters: Number of parameters by function outside the command line.
        families: Numbers of units and of their dependencies inside `models`.
    """

    lines: dict[str, int]
    modules: dict[str, int]
    dependencies: frozenset[tuple[str, str]]
    parameters: dict[str, int]
    families: tuple[int, int]


def measure(checkout: Path) -> Structure:
    """Measure the package of a checkout."""
    package = checkout / "src" / "pixfoundation"
    modules: dict[str, int] = {}
    parameters: dict[str, int] = {}
    for path in sorted(package.rglob("*.py")):
        source, name = path.read_text(encoding="utf-8"), str(path.relative_to(package))
        modules[name] = source.count("\n")
        if not name.startswith("cli/"):
            counts = parameter_counts(ast.parse(source))
            parameters |= {f"{name}: {key}": value for key, value in counts}
    lines: dict[str, int] = {}
    for name, count in modules.items():
        lines[unit_of(name)] = lines.get(unit_of(name), 0) + count
    families = dependencies(package / "models", "pixfoundation.models")
    return Structure(
        {unit: count for unit, count in lines.items() if not unit.startswith("__")},
        modules,
        dependencies(package, "pixfoundation")[1],
        parameters,
        (len(families[0]), len(families[1])),
    )


def unit_of(path: str) -> str:
    """Return the first part of a relative path, without its suffix."""
    return Path(path).parts[0].removesuffix(".py")


def dependencies(folder: Path, name: str) -> tuple[set[str], frozenset[tuple[str, str]]]:
    """Return the units of a package, and the pairs of units of which the first imports the second.

    Args:
        folder: The package's folder.
        name: Its dotted name, by which it is imported.
    """
    pairs: set[tuple[str, str]] = set()
    units: set[str] = set()
    for path in folder.rglob("*.py"):
        unit = unit_of(str(path.relative_to(folder)))
        if not unit.startswith("__"):
            units.add(unit)
            imported = imported_units(ast.parse(path.read_text(encoding="utf-8")), name)
            pairs |= {(unit, other) for other in imported if other != unit}
    return units, frozenset(pair for pair in pairs if pair[1] in units)


def imported_units(tree: ast.Module, package: str) -> Iterator[str]:
    """Yield the units of a package that a module imports from."""
    depth = package.count(".") + 1
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.ImportFrom) and node.module == package:
            names = [f"{package}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        yield from (n.split(".")[depth] for n in names if n.startswith(f"{package}."))


def parameter_counts(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Yield the functions of a module with the numbers of their parameters, `self` left out."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            arguments = node.args
            named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
            own = [argument for argument in named if argument.arg not in ("self", "cls")]
            yield node.name, len(own) + bool(arguments.vararg) + bool(arguments.kwarg)


def strict_errors(checkout: Path) -> Counter[str]:
    """Return the errors of Pyright by unit if it checks the whole package strictly."""
    with tempfile.TemporaryDirectory() as folder:
        settings = {
            "include": [os.path.relpath(checkout / "src", folder)],
            "extraPaths": [os.path.relpath(checkout / "src", folder)],
            "pythonVersion": "3.11",
            "typeCheckingMode": "strict",
        }
        (Path(folder) / "pyrightconfig.json").write_text(json.dumps(settings))
        command = ["-m", "pyright", "--outputjson", "-p", folder, "--pythonpath", sys.executable]
        done = subprocess.run(
            [sys.executable, *command],
            capture_output=True,
            text=True,
            check=False,  # it fails where there are errors
        )
    package = checkout.resolve() / "src" / "pixfoundation"
    return Counter(
        unit_of(str(Path(each["file"]).relative_to(package)))
        for each in json.loads(done.stdout)["generalDiagnostics"]
        if each["severity"] == "error"
    )


def table(checkouts: list[Path], *, strict: bool) -> str:
    """Return the numbers of the checkouts as a Markdown table, one column per checkout.

    With `strict`, the errors of the last checkout follow, by unit.
    """
    measured = [measure(checkout) for checkout in checkouts]
    rows: dict[str, list[object]] = {
        "top-level units": [len(each.lines) for each in measured],
        "dependencies between units": [len(each.dependencies) for each in measured],
        "units inside `models`": [each.families[0] for each in measured],
        "dependencies between them": [each.families[1] for each in measured],
        "lines of Python": [sum(each.lines.values()) for each in measured],
        "lines per module, median": [
            round(statistics.median(each.modules.values())) for each in measured
        ],
        "lines of the largest module": [max(each.modules.values()) for each in measured],
        "longest parameter list outside the command line": [
            max(each.parameters.values()) for each in measured
        ],
        f"functions of more than {LARGE} parameters": [
            sum(count > LARGE for count in each.parameters.values()) for each in measured
        ],
    }
    errors = [strict_errors(each) for each in checkouts] if strict else []
    if strict:
        rows["errors of Pyright in strict mode"] = [each.total() for each in errors]
    for unit in sorted({unit for each in measured for unit in each.lines}):
        rows[f"lines of `{unit}`"] = [each.lines.get(unit, "-") for each in measured]
    head = ["", *(checkout.resolve().name for checkout in checkouts)]
    text = markdown([head, ["---"] * len(head), *([name, *each] for name, each in rows.items())])
    if strict:
        units = [[f"`{unit}`", number] for unit, number in errors[-1].most_common()]
        text += "\n\n" + markdown([["unit", "errors of strict mode"], ["---"] * 2, *units])
    return text


def markdown(rows: Iterable[Iterable[object]]) -> str:
    """Return rows as lines of a Markdown table."""
    return "\n".join("| " + " | ".join(str(cell) for cell in row) + " |" for row in rows)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkouts", nargs="*", type=Path, default=[Path(__file__).parent.parent])
    parser.add_argument("--strict", action="store_true", help="Count errors of strict Pyright too.")
    options = parser.parse_args()
    print(table(options.checkouts, strict=options.strict))


if __name__ == "__main__":
    main()
