"""Coordinates that a model writes as numbers alone, without JSON, tags or tokens."""

import pytest

from pixfoundation.models.coordinates.formats import Frame
from pixfoundation.models.coordinates.placing import parse_regions

SIZE = (100, 200)


def coordinates(text: str) -> list[tuple[float, ...]]:
    return [region.coordinates for region in parse_regions(text, Frame.PIXELS, SIZE)]


@pytest.mark.parametrize(
    "text",
    [
        "[20, 10, 60, 30,]",
        "[20 10 60 30]",
        "20, 10, 60, 30",
        "20 10 60 30.",
        "10%, 10%, 30%, 30%",
        "(20, 10) to (60, 30)",
        "The box goes from (20, 10) – (60, 30).",
        "（20，10），（60，30）",
        "x1=20, y1=10, x2=60, y2=30",
        "left: 20, top: 10, right: 60, bottom: 30",
        "xmax = 60, ymax = 30, xmin = 20, ymin = 10",
    ],
)
def test_numbers_without_json_are_a_box(text: str):
    assert coordinates(text) == [(20, 10, 60, 30)]


@pytest.mark.parametrize("text", ["There are 20 10 60 30", "1 2 3 4 5", "20, 10", "x1=20, y1=10"])
def test_numbers_inside_of_a_sentence_are_no_box(text: str):
    assert coordinates(text) == []


def test_numbers_without_end_are_read_in_no_time():
    for text in ("1 " * 100_000, "x1=" * 60_000, "(1,1) to " * 20_000, " " * 100_000):
        assert len(coordinates(text)) <= 1
