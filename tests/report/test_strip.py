"""The strip shows one map a token, with the text that the token wrote."""

# pyright: reportArgumentType=false

import numpy as np
import pytest
from PIL import Image

from pixfoundation.grounding.colours import PHRASE_COLOURS
from pixfoundation.report.grid import save_grid
from pixfoundation.report.rich_text import DPI, missing_glyphs
from pixfoundation.report.strip import MOST_TOKENS, attention_strip
from tests.report.test_grid import SIZE, box_colour, grounded


def test_the_strip_has_a_map_a_token_in_one_range_of_values():
    found = grounded("red cat mat", ["red", "cat", "mat"])
    heat = np.random.default_rng(1).random((3, *SIZE), dtype=np.float32)
    plot = attention_strip(found, heat)
    drawn = [axis for axis in plot.axes if axis.images]
    assert [axis.get_xlabel() for axis in drawn] == ["red", "cat", "mat"]
    for axis, own, colour in zip(drawn, heat, PHRASE_COLOURS, strict=False):
        shown = axis.images[1]
        np.testing.assert_array_equal(shown.get_array(), own)
        assert shown.get_clim() == (heat.min(), heat.max())
        assert box_colour(axis.xaxis.label) == colour


def test_a_long_answer_is_cut_and_says_so():
    words = [f"w{number}" for number in range(MOST_TOKENS + 6)]
    found = grounded(" ".join(words), words, size=(6, 6), masks=1)
    plot = attention_strip(found, np.random.default_rng(1).random((len(words), 6, 6)))
    assert sum(bool(axis.images) for axis in plot.axes) == MOST_TOKENS
    assert plot.get_supxlabel() == "6 more tokens are not drawn."


@pytest.mark.filterwarnings("error::UserWarning")
def test_any_token_is_drawn_as_it_is_and_within_its_cell(tmp_path):
    words = ["$x$", "{a}_b", "猫", "🐱", "\n", "W" * 40, "end"]
    found = grounded(" ".join(words), words)
    plot = attention_strip(found, np.random.default_rng(1).random((len(words), *SIZE)))
    save_grid(plot, tmp_path / "strip.png")
    drawn = [axis for axis in plot.axes if axis.images]
    shown = [axis.get_xlabel() for axis in drawn]
    assert shown[:5] == ["$x$", "{a}_b", "猫", "🐱", "·"]
    assert shown[5].startswith("WWWW")
    assert shown[5].endswith("…")
    plot.set_dpi(DPI)
    with missing_glyphs():
        plot.draw_without_rendering()
        widths = [axis.xaxis.label.get_window_extent().width for axis in drawn]
    for axis, width in zip(drawn, widths, strict=True):
        assert width <= axis.get_window_extent().width


@pytest.mark.parametrize("size", [(400, 40), (40, 400)])
def test_any_shape_of_image_makes_a_strip_of_bounded_size(size, tmp_path):
    words = [f"w{number}" for number in range(MOST_TOKENS)]
    found = grounded(" ".join(words), words, size=size, masks=1)
    heat = np.random.default_rng(1).random((len(words), *size), dtype=np.float32)
    save_grid(attention_strip(found, heat), tmp_path / "strip.png")
    assert max(Image.open(tmp_path / "strip.png").size) < 3000
