"""Nothing that may not change has changed; see README.md in this folder."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.regression.compare import describe, differences
from tests.regression.document import SECTIONS, Workshop, normal, workshop

EXPECTED = Path(__file__).parent / "expected.json"
QUICK = {
    "imports",
    "import scores",
    "import report",
    "pixcvbench",
    "earlier run",
    "model: lisa",
    "model: glamm",
    "model: llava-grounding",
    "model: omg-llava",
    "model: cambrian",
    "model: sa2va",
    "model: unigr",
    "model: unipixel",
}
"""Sections that take a second or two; the others carry the marker `slow`."""


@pytest.fixture(scope="module")
def expected() -> dict[str, Any]:
    return json.loads(EXPECTED.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def shop() -> Iterator[Workshop]:
    with workshop() as made:
        yield made


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[] if name in QUICK else [pytest.mark.slow]) for name in SECTIONS],
)
def test_nothing_has_changed(name: str, shop: Workshop, expected: dict[str, Any]) -> None:
    found = differences(expected[name], normal(SECTIONS[name](shop)), exact=False)
    if found:
        pytest.fail(f"{name}: {len(found)} differences, recorded -> now\n{describe(found)}")


def test_no_section_depends_on_the_day() -> None:
    assert re.findall(r"20\d\d-\d\d-\d\d", EXPECTED.read_text(encoding="utf-8")) == []


def test_every_section_is_recorded(expected: dict[str, Any]) -> None:
    assert list(expected) == list(SECTIONS)


# ---- the comparison itself ---------------------------------------------------------------------

MASK = {"mask": "aaaa", "area": 1000}


@pytest.mark.parametrize(
    ("first", "second", "exact", "allowed"),
    [
        ({"a": 1.0}, {"a": 1.0}, True, True),
        ({"a": 1.0}, {"a": 1.0 + 1e-9}, True, False),
        ({"a": 1.0}, {"a": 1.0 + 9e-5}, False, True),
        ({"a": 1.0}, {"a": 1.0 + 2e-4}, False, False),
        ({"a": 1}, {"a": 1.0}, False, False),
        ({"a": 1}, {"a": 2}, False, False),
        ({"a": "x"}, {"a": "y"}, False, False),
        ({"a": None}, {"a": 0.0}, False, False),
        ({"a": 1}, {"a": 1, "b": None}, False, False),
        ([1, 2], [1], False, False),
        ([1, 2], [2, 1], False, False),
        (MASK, {"mask": "bbbb", "area": 1000}, False, True),
        (MASK, {"mask": "bbbb", "area": 1005}, False, True),
        (MASK, {"mask": "bbbb", "area": 1006}, False, False),
        (MASK, {"mask": "bbbb", "area": 1000}, True, False),
        (MASK, {"mask": "aaaa", "area": 1001}, False, False),
        ([MASK, 0.5], [{"mask": "bbbb", "area": 999}, 0.503], False, True),
        ([MASK, 0.5], [{"mask": "bbbb", "area": 999}, 0.506], False, False),
        ([MASK, 0.5], [MASK, 0.503], False, False),
    ],
)
def test_what_a_comparison_allows(first: Any, second: Any, exact: bool, allowed: bool) -> None:
    assert (not differences(first, second, exact=exact)) == allowed


def test_a_difference_says_where_it_is() -> None:
    found = differences({"a": [{"b": 1}]}, {"a": [{"b": 2}]}, exact=True)
    assert describe(found) == "  /a/0/b: 1 -> 2"
