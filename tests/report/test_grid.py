"""The picture of one grounded image shows the numbers that it was made from."""

# pyright: reportOptionalMemberAccess=false

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pixfoundation.errors import RunError
from pixfoundation.grounding.colours import PHRASE_COLOURS
from pixfoundation.grounding.one_image import GroundedImage
from pixfoundation.masks import Mask
from pixfoundation.report.grid import MOST_ROWS, draw_grid, overlay, save_grid
from pixfoundation.report.rich_text import DPI
from pixfoundation.types import Answer, Candidate, Phrase, Prompt, Sample, Selection

SIZE = (30, 40)


def grounded(text: str, words: list[str], size=SIZE, masks=3) -> GroundedImage:
    """An image whose answer names the words, each with a point and masks of its own."""
    random = np.random.default_rng(0)
    candidates, at, spans = [], 0, []
    for token, word in enumerate(words):
        start = text.index(word, at)
        at = start + len(word)
        spans.append((start, at))
        for index in range(masks):
            mask = np.zeros(size, bool)
            mask[token : token + 5, index : index + 9] = True
            candidates.append(
                Candidate(
                    Mask.from_array(mask), Phrase(word, (start, at), (token,)),
                    (float(token + 2), 7.0), score=0.5, index=index,
                )
            )  # fmt: skip
    sample = Sample(
        id="x", image=Path("x.png"), size=size, question=None, options=(), answer=None,
        expression="the $x$ of {a}_b", mask=Mask.empty(size),
    )  # fmt: skip
    return GroundedImage(
        Image.fromarray(random.integers(0, 255, (*size, 3), dtype=np.uint8)),
        sample,
        Prompt("x", 3, "Identify the $x$ of {a}_b in the scene.", sample.expression),
        Answer(text, tuple(range(len(words))), tuple(spans)),
        tuple(candidates),
        {c.phrase.span: random.random(size, dtype=np.float32) for c in candidates},
    )


NOTHING = Selection("similarity", None)


def box_colour(text):
    """The colour of the box behind a text, as #rrggbb."""
    return (
        f"#{bytes(round(255 * value) for value in text.get_bbox_patch().get_facecolor()[:3]).hex()}"
    )


def rgb(colour):
    """Red, green and blue of a colour given as #rrggbb, 0..1."""
    return np.array(list(bytes.fromhex(colour[1:]))) / 255


def left_title(axis):
    """The text drawn as title over the left edge of an axis."""
    return next(
        child
        for child in axis.get_children()
        if getattr(child, "get_text", str)() == axis.get_title("left") != ""
    )


def parts(plot):
    """The text above, as (text, colour of the highlight or None), and the axes as a grid."""
    above, below = plot.subfigs
    texts = [(t.get_text(), box_colour(t) if t.get_bbox_patch() else None) for t in above.texts]
    columns = below.axes[0].get_subplotspec().get_gridspec().ncols
    return texts, np.array(below.axes).reshape(-1, columns)


def titles(axes):
    return [axis.get_title("left") for axis in axes]


def test_a_row_a_phrase_with_its_attention_and_masks():
    found = grounded("The red cat is on a mat.", ["The red cat", "a mat"])
    _, axes = parts(draw_grid(found, Selection("similarity", found.candidates[4].mask, 4)))
    assert axes.shape == (2, 5)
    assert titles(axes[0])[:3] == ["the $x$ of {a}_b", "The red cat", "mask 1 · 0.50"]
    assert titles(axes[1]) == [
        "", "a mat", "mask 1 · 0.50", "mask 2 · 0.50 · picked", "mask 3 · 0.50",
    ]  # fmt: skip
    framed = [[bool(axis.patches) for axis in row] for row in axes]
    assert framed == [[False] * 5, [False, False, False, True, False]]


def test_points_maps_and_masks_are_at_their_pixels():
    found = grounded("The red cat is on a mat.", ["The red cat", "a mat"])
    _, axes = parts(draw_grid(found, NOTHING, fill=True))
    for row, candidates in zip(axes, (found.candidates[:3], found.candidates[3:]), strict=True):
        for axis in row[1:]:
            (point,) = axis.lines
            assert tuple(point.get_xydata()[0]) == candidates[0].point
        heat = row[1].images[1]
        np.testing.assert_array_equal(heat.get_array(), found.heat[candidates[0].phrase.span])
        assert tuple(heat.get_extent()) == (-0.5, SIZE[1] - 0.5, SIZE[0] - 0.5, -0.5)
        for axis, candidate in zip(row[2:], candidates, strict=True):
            changed = (axis.images[0].get_array() != np.asarray(found.image)).any(axis=2)
            np.testing.assert_array_equal(changed, candidate.mask.decode())


def test_the_answer_carries_the_colours_of_the_masks():
    found = grounded("The red cat is on a mat.", ["The red cat", "a mat"])
    texts, axes = parts(draw_grid(found, NOTHING))
    assert texts == [
        ("Identify the $x$ of {a}_b in the scene.", None),
        ("The red cat", PHRASE_COLOURS[0]),
        ("is on", None),
        ("a mat", PHRASE_COLOURS[1]),
        (".", None),
    ]
    title = left_title(axes[1, 1])
    assert box_colour(title) == PHRASE_COLOURS[1]


def test_masks_in_another_order_than_the_text_keep_the_colours_of_their_phrases():
    found = grounded("The red cat is on a mat.", ["The red cat", "a mat"])
    own = replace(found.candidates[0], phrase=None)
    found = replace(found, candidates=(own, *found.candidates[3:], *found.candidates[:3]))
    texts, axes = parts(draw_grid(found, NOTHING))
    shown = {title.get_text(): box_colour(title)
             for title in (left_title(row[1]) for row in axes)}  # fmt: skip
    assert shown == {
        "the model's own mask": PHRASE_COLOURS[2],
        "a mat": PHRASE_COLOURS[1],
        "The red cat": PHRASE_COLOURS[0],
    }
    assert {text: colour for text, colour in texts if colour} == {
        name: colour for name, colour in shown.items() if name != "the model's own mask"
    }
    for row in axes[1:]:
        pixels, tint = row[2].images[0].get_array(), rgb(shown[row[1].get_title("left")])
        changed = pixels[(pixels != np.asarray(found.image)).any(axis=2)]
        edge = (np.abs(changed - 255 * np.array(tint)) <= 1).all(axis=1)
        assert edge.any()


@pytest.mark.parametrize("size", [(400, 40), (40, 400), (60, 80)])
def test_titles_stay_in_their_columns(size):
    found = grounded("The red cat " + "W" * 50, ["The red cat", "W" * 50], size)
    plot = draw_grid(found, Selection("similarity", found.candidates[1].mask, 1))
    plot.set_dpi(DPI)
    plot.draw_without_rendering()
    _, axes = parts(plot)
    for row in axes:
        boxes = [left_title(axis).get_window_extent() for axis in row[1:]]
        for left, right in itertools.pairwise(boxes):
            assert left.x1 <= right.x0
        assert boxes[-1].x1 <= plot.bbox.x1


def test_a_mask_is_tinted_and_its_edge_is_darker():
    inside = np.zeros((9, 9), bool)
    inside[2:7, :5] = True  # leaves the image on the left
    candidate = Candidate(Mask.from_array(inside))
    drawn = overlay(Image.new("RGB", (9, 9), "white"), candidate, "#d55e00", fill=True)
    inner = np.zeros((9, 9), bool)
    inner[3:6, :4] = True
    tint = np.array([0xD5, 0x5E, 0x00])
    assert (drawn[~inside] == 255).all()
    np.testing.assert_allclose(drawn[inner], np.tile(0.4 * 255 + 0.6 * tint, (12, 1)), atol=1)
    np.testing.assert_allclose(drawn[inside & ~inner], np.tile(0.55 * tint, (13, 1)), atol=1)


def test_an_outline_leaves_the_colours_inside_a_mask_as_they_are():
    for inside in (np.ones((9, 9), bool), np.pad(np.ones((7, 7), bool), 1)):
        drawn = overlay(
            Image.new("RGB", (9, 9), "white"), Candidate(Mask.from_array(inside)), "#d55e00"
        )
        assert (drawn[4, 4] == 255).all()
        assert (drawn[~inside] == 255).all()
        rows = np.flatnonzero(inside.any(axis=1))
        assert (drawn[rows[0], 4] == [0xD5, 0x5E, 0x00]).all()  # also at the border of the image


def test_large_images_are_drawn_small_in_their_own_coordinates():
    found = grounded("The red cat.", ["The red cat"], (300, 4000))
    _, axes = parts(draw_grid(found, NOTHING))
    for axis in axes[0]:
        assert tuple(axis.images[0].get_extent()) == (-0.5, 3999.5, 299.5, -0.5)
        assert axis.images[0].get_array().shape[:2] == (75, 1000)


def test_colours_of_phrases_differ_also_for_colour_blind_eyes():
    """Machado, Oliveira and Fernandes (2009), the full deficiencies; linear RGB."""
    seen = {
        "normal": np.eye(3),
        "protan": [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
        "deutan": [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
    }
    colours = np.array([rgb(colour) for colour in PHRASE_COLOURS])
    linear = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    for matrix in seen.values():
        labs = np.array([lab(each) for each in (linear @ np.array(matrix).T).clip(0, 1)])
        apart = np.linalg.norm(labs[:, None] - labs[None], axis=-1)
        assert apart[np.triu_indices(len(labs), 1)].min() > 15


def lab(linear):
    """CIE L*a*b* of linear sRGB, white point D65."""
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    ratio = np.array(to_xyz) @ linear / [0.9505, 1.0, 1.089]
    x, y, z = np.where(ratio > 0.008856, np.cbrt(ratio), 7.787 * ratio + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def test_what_is_left_out_is_said():
    words = [f"w{number}" for number in range(MOST_ROWS + 3)]
    texts, axes = parts(draw_grid(grounded(" ".join(words), words), NOTHING))
    assert len(axes) == MOST_ROWS
    assert texts[-1] == ("3 more phrases are not drawn.", None)
    texts, axes = parts(draw_grid(grounded("a mat", ["a mat"], masks=9), NOTHING))
    assert axes.shape == (1, 8)
    assert texts[-1] == ("3 more masks are not drawn.", None)


@pytest.mark.parametrize("size", [(20, 200), (200, 20), (1, 1)])
def test_any_shape_of_image_fills_its_cells(size, tmp_path):
    plot = draw_grid(grounded("The red cat.", ["The red cat"], size), NOTHING)
    save_grid(plot, tmp_path / "grid.png")
    width, height = Image.open(tmp_path / "grid.png").size
    assert width * height < 4e6
    assert max(width, height) < 6000


@pytest.mark.filterwarnings("error::UserWarning")
def test_any_text_is_drawn_as_it_is(tmp_path, caplog):
    text = "A 猫 🐱 costs $5 and $6 at the_shop {x}.\n- a red hat\n" + "Supercali" * 40
    found = grounded(text, ["A 猫 🐱", "a red hat"])
    plot = draw_grid(found, NOTHING)
    save_grid(plot, tmp_path / "grid.png")
    texts, _ = parts(plot)
    drawn = "".join(piece for piece, _ in texts[1:]).replace(" ", "")
    assert drawn == text.replace(" ", "").replace("\n", "")
    assert caplog.records == []


def test_an_answer_without_words_or_masks_can_be_drawn(tmp_path):
    plot = draw_grid(grounded("", []), NOTHING)
    save_grid(plot, tmp_path / "grid.pdf")
    assert parts(plot)[0][-1] == ("(no answer)", None)


def test_a_file_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="grid.png cannot be written"):
        save_grid(draw_grid(grounded("", []), NOTHING), tmp_path / "file" / "grid.png")
