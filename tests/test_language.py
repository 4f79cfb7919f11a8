"""Docstrings, comments, messages and docs use the plain words of the glossary.

A failure names file and line, the words, and what to write instead. The rules catch the forms that
readers stumbled on; `docs/glossary.md` has the terms.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

_UNITS = (
    "batch|token|sample|phrase|prompt|side|step|sequence|pair|question|line|unit|place|layer|head"
    "|cell|kind|module|family|row|option|job|GPU|process|key|expression"
)
_COUNTED = (
    "samples|tokens|lines|rows|images|pixels|columns|numbers|folders|vectors|boxes|seconds|pictures"
    "|heads|layers|bytes|cells|words|pages|options|rows|one|map|mask|line|row|column|folder|vector"
    "|registry|picture|idea|file"
)
FORMS = [
    (rf"\b(?:{_COUNTED}) an? (?:{_UNITS})\b(?! of)", "write 'per': 'samples per batch'"),
    (
        r"(?<!there )\b(?:is|are) none\b(?! of the)|\bthat are none\b|\bnone of the parts\b",
        "name what it is not",
    ),
    (r"\ball the same\b", "write 'even then' or drop it"),
    (r"\bbeside\b", "write 'next to', 'in addition to' or 'besides'"),
    (r"^\s*[\w*]+: Of\b|^Of (?:the|a|an|its|all)\b", "name the thing: 'Seed of the draws.'"),
    (r"\bHow\.$", "write a sentence: 'How answers are decoded.'"),
    (r"\bof one'?s own\b", "write 'your own'"),
    (r"\bso many\b", "say how many, or 'this number of'"),
    (r"\bwhat (?:it|he|she) says of (?:it|him|her)self\b", "name what is said"),
    (r"\bwho judges\b", "write 'which judge is used'"),
    (r"\bdata sets?\b", "write 'dataset'"),
]
NAMES = {
    "found": "what was found: phrases, matches, ...",
    "held": "existing, stored, ...",
    "said": "text, reply, verdict, ...",
    "there": "present, existing, ...",
    "how": "grounder, convention, ...",
    "inside": "foreground, points_in_boxes, ...",
    "spared": "deduplicated, ...",
    "stranger": "other_family, ...",
    "wanted": "requested, expected, ...",
    "given": "passed, options, ...",
}


def sources() -> list[Path]:
    folders = ("src/pixfoundation", "recipes", "perf")
    python = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    pages = [*sorted((ROOT / "docs").rglob("*.md")), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
    return python + pages


def texts(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the lines of prose in a file with their numbers."""
    source = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        yield from prose_of_markdown(source)
        return
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr):
            strings = [node.value]  # docstrings, of attributes too
        elif isinstance(node, ast.Raise):
            strings = list(ast.walk(node))
        elif isinstance(node, ast.keyword) and node.arg == "help":
            strings = list(ast.walk(node.value))
        else:
            continue
        for string in strings:
            if isinstance(string, ast.Constant) and isinstance(string.value, str):
                for offset, line in enumerate(string.value.splitlines()):
                    yield string.lineno + offset, line
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string.lstrip("# ")


def prose_of_markdown(source: str) -> Iterator[tuple[int, str]]:
    fenced = False
    for number, line in enumerate(source.splitlines(), 1):
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif not fenced:
            yield number, re.sub(r"`[^`]*`", "`code`", line)


def assigned_names(path: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg


def complaints(path: Path) -> list[str]:
    place = path.relative_to(ROOT)
    result = [
        f"{place}:{number}: {match[0].strip()!r}: {advice}"
        for number, line in texts(path)
        for form, advice in FORMS
        if (match := re.search(form, line))
    ]
    if path.suffix == ".py":
        result += [
            f"{place}:{number}: a variable {name!r}: name the thing ({NAMES[name]})"
            for number, name in assigned_names(path)
            if name in NAMES
        ]
    return result


@pytest.mark.parametrize(
    "path",
    sources(),
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_the_language_is_plain(path):
    problems = complaints(path)
    assert not problems, "\n" + "\n".join(problems)


@pytest.mark.parametrize(
    ("text", "bad"),
    [
        ("Number of samples a batch.", True),
        ("Number of samples per batch.", False),
        ("It gives a token.", False),
        ("one line a sample", True),
        ("a line of a row", False),
        ("    seed: Of the draws.", True),
        ("    seed: Seed of the draws.", False),
        ("the mask beside its point", True),
        ("besides points", False),
        ("verdicts that are none", True),
    ],
)
def test_the_forms_catch_what_they_should(text, bad):
    assert any(re.search(form, text) for form, _ in FORMS) == bad
