"""Every bar, band and point of the figures is a number of the analysis."""

import numpy as np
import pytest
from PIL import Image

from pixfoundation.emergence.analysis import analyse
from pixfoundation.errors import RunError
from pixfoundation.report.emergence_figures import (
    HATCHES,
    concept_histogram,
    iou_by_position,
    location_histogram,
    write_figures,
)
from pixfoundation.report.palette import SERIES
from tests.emergence.planted import PHRASES, SENTENCE, planted_run


@pytest.fixture
def found(tmp_path):
    """Two runs: the best phrase is the last one, or the first and the second in turn."""
    last = planted_run(tmp_path / "last", lambda i: 4, samples=20)
    turns = planted_run(tmp_path / "turns", lambda i: i % 2, samples=10)
    return [analyse(last, draws=200), analyse(turns, draws=200, name="the $other$")]


def test_the_location_bars_and_bands(found):
    panels = location_histogram(found).axes
    for axis, each in zip(panels, found, strict=True):
        assert [bar.get_height() for bar in axis.patches] == each.bins.tolist()
        lines = {line.get_label(): line.get_ydata()[::2] for line in axis.lines}
        for null in each.nulls:
            assert lines[f"chance: {null.name}"].tolist() == null.location.mean.tolist()
        for band, null in zip(axis.collections, each.nulls, strict=True):
            shape = band.get_paths()[0].get_extents()
            assert shape.ymax == null.location.high.max()
        assert f"n = {each.bins.sum()}" in axis.get_title()
    assert "p = 0.005" in panels[0].get_title(), "200 draws give no less"


def test_the_concept_bars_are_grouped_in_a_colour_and_a_hatch_a_run(found):
    axis = concept_histogram(found).axes[0]
    groups = [group for group in axis.containers if hasattr(group, "patches")]
    for number, (group, each) in enumerate(zip(groups, found, strict=True)):
        assert [bar.get_height() for bar in group] == list(each.concepts.values())
        assert {bar.get_hatch() or "" for bar in group} == {HATCHES[number]}
    assert groups[0].get_label() == "planted (20 labels by rules)"
    assert groups[1][0].get_x() > groups[0][0].get_x(), "side by side"
    ranges = [c for c in axis.containers if not hasattr(c, "patches")]
    nulls = [null for each in found for null in each.nulls]
    assert len(ranges) == len(nulls) == 6
    for drawn, null in zip(ranges, nulls, strict=True):
        assert drawn.lines[0].get_ydata().tolist() == null.concept.mean.tolist()
        low, high = np.array([s[:, 1] for s in drawn.lines[2][0].get_segments()]).T
        assert low == pytest.approx(null.concept.low)
        assert high == pytest.approx(null.concept.high)


def test_three_runs_have_one_null_beside_each_bar(found):
    axis = concept_histogram([*found, found[0]]).axes[0]
    assert len([c for c in axis.containers if not hasattr(c, "patches")]) == 3


def test_every_phrase_is_a_point(found):
    panels = iou_by_position(found).axes
    others, best = panels[1].lines
    places = [100 * SENTENCE.index(words) / len(SENTENCE) for words in PHRASES]
    assert best.get_xdata() == pytest.approx(5 * places[:2])
    assert list(best.get_ydata()) == [0.9] * 10
    assert len(others.get_xdata()) == 4 * 10
    assert sorted(set(np.round(others.get_xdata(), 6))) == pytest.approx(places)
    assert set(others.get_ydata()) == {0.3}


def test_neighbours_differ_in_grey():
    greys = [Image.new("RGB", (1, 1), colour).convert("L").getpixel((0, 0)) for colour in SERIES]
    assert min(np.abs(np.diff(greys))) >= 45
    assert len(set(HATCHES)) == len(SERIES)


def test_they_are_written_twice_alike_as_png_and_pdf(found, tmp_path):
    paths = write_figures(found, tmp_path / "figures")
    names = ["concept", "iou_by_position", "location"]
    assert sorted(path.name for path in paths) == sorted(
        f"{name}.{kind}" for name in names for kind in ("png", "pdf")
    )
    before = {path: path.read_bytes() for path in paths}
    write_figures(found, tmp_path / "figures")
    assert {path: path.read_bytes() for path in paths} == before


@pytest.mark.parametrize("count", [1, 3, 5])
def test_one_answer_no_answer_and_many_runs_can_be_drawn(tmp_path, count):
    one = analyse(planted_run(tmp_path / "one", lambda i: 1, samples=1))
    none = analyse(planted_run(tmp_path / "none", lambda i: -1, samples=2))
    write_figures([one, none, one, none, one][:count], tmp_path / "figures")
    assert (none.location_p, none.shape_p, len(none.nulls)) == (1.0, 1.0, 0)


def test_a_folder_that_cannot_be_written_is_said(found, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot be written"):
        write_figures(found, tmp_path / "file" / "figures")
