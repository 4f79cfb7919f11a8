"""Mask files of any mode are read as masks, or refused in one sentence."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from pixfoundation.datasets.mask_images import read_mask_image
from pixfoundation.errors import DataError

SIZE = (40, 60)  # height, width
INSIDE = np.zeros(SIZE, bool)
INSIDE[10:30, 20:50] = True
OTHER = np.zeros(SIZE, bool)
OTHER[2:8, 5:15] = True


def grey(inside=255, other=0, dtype=np.uint8):
    values = np.zeros(SIZE, dtype)
    values[INSIDE], values[OTHER] = inside, other
    return values


def coloured(inside, other=(0, 0, 0), outside=(0, 0, 0)):
    values = np.full((*SIZE, 3), outside, np.uint8)
    values[INSIDE], values[OTHER] = inside, other
    return Image.fromarray(values)


def with_alpha(picture, alpha):
    picture = picture.copy()
    picture.putalpha(Image.fromarray(alpha))
    return picture


def indexed(inside, colours, other=0):
    image = Image.fromarray(grey(inside, other), "L")
    image.putpalette([0, 0, 0] * 256)
    image.putpalette([value for colour in colours for value in colour])
    return image


def photo():
    dice = np.random.default_rng(2)
    return Image.fromarray(dice.integers(0, 256, (*SIZE, 3), dtype=np.uint8))


def soft():
    """A mask drawn large and shrunk, so that its edges are soft, and what it should be."""
    large = Image.new("L", (60 * 8, 40 * 8))
    ImageDraw.Draw(large).ellipse((100, 60, 380, 260), fill=255)
    small = large.resize((60, 40), Image.Resampling.BOX)
    return small, np.asarray(small) >= 128


BLACK, WHITE, RED, BLUE = (0, 0, 0), (255, 255, 255), (200, 0, 0), (0, 0, 200)
OPAQUE = np.uint8(INSIDE) * 255

RIGHT = {
    "grey 0 and 255": (Image.fromarray(grey()), "png"),
    "grey 0 and 1": (Image.fromarray(grey(1)), "png"),
    "grey 0 and 7": (Image.fromarray(grey(7)), "bmp"),
    "one bit": (Image.fromarray(INSIDE), "png"),
    "one bit, tiff": (Image.fromarray(INSIDE), "tif"),
    "16 bits, 65535": (Image.fromarray(grey(65535, dtype=np.uint16)), "png"),
    "16 bits, 1": (Image.fromarray(grey(1, dtype=np.uint16)), "png"),
    "16 bits, 256": (Image.fromarray(grey(256, dtype=np.uint16)), "tif"),
    "32 bits": (Image.fromarray(grey(70000, dtype=np.int32)), "tif"),
    "floats 0 and 1": (Image.fromarray(grey(1, dtype=np.float32)), "tif"),
    "floats 0 and 255": (Image.fromarray(grey(255, dtype=np.float32)), "tif"),
    "floats 0 and 0.9": (Image.fromarray(grey(0.9, dtype=np.float32)), "tif"),
    "jpeg": (Image.fromarray(grey()), "jpg"),
    "jpeg in rgb": (Image.fromarray(grey()).convert("RGB"), "jpg"),
    "webp": (Image.fromarray(grey()).convert("RGB"), "webp"),
    "rgb, white": (coloured(WHITE), "png"),
    "rgb, red": (coloured(RED), "png"),
    "rgb, dark blue": (coloured((0, 0, 1)), "png"),
    "palette, index 1": (indexed(1, [BLACK, RED]), "png"),
    "palette, index 1 of the same colour": (indexed(1, [BLACK, BLACK]), "png"),
    "palette, 0 is white": (indexed(1, [WHITE, RED]), "png"),
    "palette, gif": (indexed(1, [BLACK, RED]), "gif"),
    "cut-out": (with_alpha(photo(), OPAQUE), "png"),
    "cut-out in black": (with_alpha(Image.new("RGB", (60, 40)), OPAQUE), "png"),
    "cut-out in red": (with_alpha(Image.new("RGB", (60, 40), RED), OPAQUE), "png"),
    "cut-out, webp": (with_alpha(coloured(RED), OPAQUE), "webp"),
    "cut-out in grey": (with_alpha(Image.fromarray(grey(90)), OPAQUE), "png"),
    "opaque alpha": (with_alpha(coloured(WHITE), np.full(SIZE, 255, np.uint8)), "png"),
    "opaque alpha in grey": (with_alpha(Image.fromarray(grey(1)), OPAQUE | 255), "png"),
}  # fmt: skip


def saved(tmp_path, image, suffix, **options):
    file = tmp_path / f"mask.{suffix}"
    image.save(file, **options)
    return file


@pytest.mark.parametrize("what", RIGHT)
def test_the_thing_is_inside(tmp_path, what):
    image, suffix = RIGHT[what]
    read = read_mask_image(saved(tmp_path, image, suffix))
    assert np.array_equal(read.foreground, INSIDE)


@pytest.mark.parametrize(
    "what", [name for name in RIGHT if name.split()[0] not in ("jpeg", "webp")]
)
def test_a_clean_mask_has_no_notes(tmp_path, what):
    image, suffix = RIGHT[what]
    assert read_mask_image(saved(tmp_path, image, suffix)).notes == ()


def test_a_transparent_palette_entry_is_outside(tmp_path):
    file = saved(tmp_path, indexed(2, [RED, RED, BLUE]), "png", transparency=0)
    assert np.array_equal(read_mask_image(file).foreground, INSIDE)


SEVERAL = {
    "grey": (Image.fromarray(grey(2, 1)), 2, 1),
    "16 bits": (Image.fromarray(grey(26001, 24003, np.uint16)), 26001, 24003),
    "palette": (indexed(2, [BLACK, RED, BLUE], 1), 2, 1),
    "floats": (Image.fromarray(grey(3, 1, np.float32)), 3, 1),
    "rgb": (coloured(RED, BLUE), list(RED), list(BLUE)),
    "a trimap": (Image.fromarray(grey(255, 128)), 255, 128),
}


@pytest.mark.parametrize("what", SEVERAL)
def test_several_instances_are_united_and_named_or_chosen(tmp_path, what):
    image, inside, other = SEVERAL[what]
    file = saved(tmp_path, image, "tif" if what == "floats" else "png")
    read = read_mask_image(file)
    assert np.array_equal(read.foreground, INSIDE | OTHER)
    assert "holds 2 values besides 0" in read.notes[0]
    assert np.array_equal(read_mask_image(file, [inside]).foreground, INSIDE)
    assert np.array_equal(read_mask_image(file, [other]).foreground, OTHER)
    assert np.array_equal(read_mask_image(file, [inside, other]).foreground, INSIDE | OTHER)
    with pytest.raises(DataError, match=r"no pixel of the values \[77\]|in colour"):
        read_mask_image(file, [77])


@pytest.mark.parametrize("how", ["grey", "red", "16 bits", "floats", "jpg", "alpha"])
def test_soft_edges_are_cut_at_half(tmp_path, how):
    drawn, expected = soft()
    values = np.asarray(drawn)
    image = {
        "grey": drawn,
        "jpg": drawn,
        "red": Image.merge("RGB", (drawn, *[Image.new("L", drawn.size)] * 2)),
        "16 bits": Image.fromarray(values.astype(np.uint16) * 257),
        "floats": Image.fromarray(np.float32(values) / 255),
        "alpha": with_alpha(photo().resize(drawn.size), values),
    }[how]
    suffix = {"floats": "tif", "jpg": "jpg"}.get(how, "png")
    read = read_mask_image(saved(tmp_path, image, suffix))
    differ = (read.foreground != expected).sum()
    assert differ <= (8 if how == "jpg" else 0)
    assert "half" in read.notes[0]


def jpeg_of_labels(tmp_path):
    return saved(tmp_path, Image.fromarray(grey(255, 120)), "jpg", quality=95)


REFUSED = {
    "a photo": (photo(), "png", "colours: it is a picture"),
    "a photo as jpeg": (photo(), "jpg", "JPEG"),
    "transparent everywhere": (with_alpha(photo(), np.zeros(SIZE, np.uint8)), "png", "everywhere"),
    "alpha and black and white": (
        with_alpha(coloured(WHITE), np.uint8(np.arange(60) < 55) * np.full(SIZE, 255, np.uint8)),
        "png",
        "save it without transparency",
    ),
    "no outside in grey": (Image.fromarray(grey(255) // 2 + 100), "png", "clear what is outside"),
    "no outside in colour": (coloured(RED, RED, WHITE), "png", "not clear what is outside"),
    "a palette that swaps": (indexed(1, [WHITE, BLACK]), "png", "not clear which"),
    "a jpeg of 0 and 1": (Image.fromarray(grey(12)), "jpg", "brightest value"),
    "floats below 0": (Image.fromarray(grey(-4.0, 3.0, np.float32)), "tif", "floats from -4 to 3"),
    "not a number": (Image.fromarray(grey(np.nan, 3.0, np.float32)), "tif", "not finite"),
    "negative": (Image.fromarray(grey(-1, 2, np.int32)), "tif", "negative"),
    "CMYK": (Image.new("CMYK", (60, 40)), "tif", "mode CMYK"),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_no_mask_is_refused(tmp_path, what):
    image, suffix, said = REFUSED[what]
    with pytest.raises(DataError, match=rf"mask\.{suffix} .*{said}"):
        read_mask_image(saved(tmp_path, image, suffix))


def test_a_jpeg_of_several_values_is_refused(tmp_path):
    values = np.full(SIZE, 120, np.uint8)
    values[INSIDE] = 255
    values[:5] = 0
    with pytest.raises(DataError, match="between outside and inside"):
        read_mask_image(saved(tmp_path, Image.fromarray(values), "jpg"))


def test_several_pages_are_refused(tmp_path):
    pages = [Image.fromarray(grey()), Image.fromarray(grey(0, 255))]
    file = saved(tmp_path, pages[0], "tif", save_all=True, append_images=pages[1:])
    with pytest.raises(DataError, match="holds 2 pages"):
        read_mask_image(file)


@pytest.mark.parametrize("values", [[], ["red"], [[1, 2]], [True]])
def test_values_that_cannot_be_chosen(tmp_path, values):
    with pytest.raises(DataError, match="values"):
        read_mask_image(saved(tmp_path, coloured(RED), "png"), values)
