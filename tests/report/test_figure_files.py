"""Figures are written with embedded fonts and in colours that all readers tell apart."""

# pyright: reportArgumentType=false, reportOptionalMemberAccess=false, reportOptionalSubscript=false

from itertools import combinations

import numpy as np
import pytest

from pixfoundation.emergence.analysis import analyse
from pixfoundation.errors import DataError
from pixfoundation.report import cause_figures, emergence_figures, palette
from pixfoundation.report.figure_files import write_plots
from pixfoundation.report.figure_style import FigureStyle, new_plot, read_kinds, read_width
from pixfoundation.report.grid import save_grid
from tests.emergence.planted import planted_run

VIENOT = {
    "protanopia": [[0.11238, 0.88762, 0.0], [0.11238, 0.88762, -0.0], [0.00401, -0.00401, 1.0]],
    "deuteranopia": [[0.29275, 0.70725, 0.0], [0.29275, 0.70725, -0.0], [-0.02234, 0.02234, 1.0]],
}
"""Linear RGB as dichromats see it (Vienot, Brettel and Mollon 1999)."""


def lightness_and_hue(colour, sight):
    """The CIE L*a*b* of a colour (D65), as sight of a kind has it."""
    from matplotlib.colors import to_rgb

    rgb = np.array(to_rgb(colour))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    if sight is not None:
        linear = np.clip(np.array(VIENOT[sight]) @ linear, 0, 1)
    matrix = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    scaled = np.array(matrix) @ linear / [0.9505, 1.0, 1.089]
    x, y, z = np.where(scaled > 0.008856, np.cbrt(scaled), 7.787 * scaled + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("sight", [None, *VIENOT])
def test_series_are_told_apart_by_every_sight(sight):
    seen = [lightness_and_hue(colour, sight) for colour in palette.SERIES]
    gaps = [np.linalg.norm(one - other) for one, other in combinations(seen, 2)]
    assert min(gaps) > 12, sight
    pair = [lightness_and_hue(c, sight) for c in (cause_figures.ATTENDED, cause_figures.RANDOM)]
    assert np.linalg.norm(pair[0] - pair[1]) > 20


def test_fonts_are_embedded_as_truetype(tmp_path):
    plot = new_plot(6.4, 4.8)
    plot.subplots().set_title("A title with words")
    _, file = write_plots({"figure": plot}, tmp_path)
    content = file.read_bytes()
    assert b"/Type3" not in content
    assert b"/CIDFontType2" in content
    assert b"/FontFile2" in content


def test_the_pictures_of_one_image_embed_truetype_too(tmp_path):
    plot = new_plot(3, 2)
    plot.subplots().set_title("words")
    save_grid(plot, tmp_path / "grid.pdf")
    assert b"/Type3" not in (tmp_path / "grid.pdf").read_bytes()


def test_a_sized_figure_is_as_wide_and_its_text_fits_and_can_be_read(tmp_path):
    run = analyse(planted_run(tmp_path / "run", lambda i: 4, samples=2), draws=5)
    width = 3.25
    style = FigureStyle(width=width, kinds=("pdf", "svg"))
    plot = emergence_figures.location_histogram([run] * 2, style)
    first, second = write_plots({"location": plot}, tmp_path / "figures", style)
    points = 72 * width
    assert f"/MediaBox [ 0 0 {points:g} ".encode() in first.read_bytes()
    assert f'width="{points:g}pt"' in second.read_text()
    assert len({round(a.get_position().x0, 2) for a in plot.axes}) == 1, "below each other"
    assert FigureStyle(width=6.75).columns(3, 3, emergence_figures.LEAST_PANEL) == 3
    from matplotlib.text import Text

    shown = [t for t in plot.findobj(Text) if t.get_text().strip() and t.get_visible()]
    assert {6 <= text.get_fontsize() <= 8 for text in shown} == {True}
    titles = [axis.title.get_window_extent() for axis in plot.axes]
    assert all(box.x0 >= 0 and box.x1 <= plot.bbox.width for box in titles)
    assert min(axis.bbox.height / plot.dpi for axis in plot.axes) > 1
    anew = {"location": emergence_figures.location_histogram([run] * 2, style)}
    assert write_plots(anew, tmp_path / "again", style)[0].read_bytes() == first.read_bytes()


@pytest.mark.parametrize("text", ["wide", "3 furlongs", "0.2", "900", "-3in"])
def test_a_width_that_no_figure_has_is_refused(text):
    with pytest.raises(DataError, match="wid"):
        read_width(text)


def test_an_unknown_format_is_named():
    assert read_kinds("SVG, pdf") == ("svg", "pdf")
    with pytest.raises(DataError, match="'gif'"):
        read_kinds("pdf,gif")
