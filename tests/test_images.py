"""Images come as a person sees them, or are refused in one sentence that names the file."""

import struct
import zlib
from contextlib import suppress

import numpy as np
import pytest
from PIL import Image

from pixfoundation.errors import DataError
from pixfoundation.images import (
    LIMIT_VARIABLE,
    image_orientation,
    image_size,
    load_image,
    pixel_limit,
    read_image,
)

TURNS = {  # what a viewer does with a stored image of that orientation
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: np.rot90(a, 2).transpose(1, 0, 2),
    8: lambda a: np.rot90(a, 1),
}


@pytest.mark.parametrize("orientation", TURNS)
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
def test_every_orientation_is_applied_and_size_and_pixels_agree(tmp_path, suffix, orientation):
    stored = np.zeros((32, 48, 3), np.uint8)
    stored[:16, :24, 0] = stored[16:, :24, 1] = stored[:16, 24:, 2] = 255
    image = Image.fromarray(stored)
    exif = image.getexif()
    exif[0x0112] = orientation
    file = tmp_path / f"turned.{suffix}"
    image.save(file, exif=exif, **({"lossless": True} if suffix == "webp" else {}))
    seen = np.asarray(load_image(file)).astype(int)
    expected = TURNS[orientation](stored)
    assert image_size(file) == seen.shape[:2] == expected.shape[:2]
    assert np.abs(seen - expected).mean() < (12 if suffix == "jpg" else 0.1)
    assert image_orientation(file) == orientation


@pytest.mark.parametrize("orientation", [0, 9, 60000])
def test_an_orientation_that_does_not_exist_is_upright(tmp_path, orientation):
    image = Image.new("RGB", (30, 10))
    exif = image.getexif()
    exif[0x0112] = orientation
    image.save(tmp_path / "a.jpg", exif=exif)
    assert image_size(tmp_path / "a.jpg") == (10, 30)
    assert load_image(tmp_path / "a.jpg").size == (30, 10)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "1", "I;16", "CMYK", "LA"])
def test_every_mode_becomes_rgb(tmp_path, mode):
    name = tmp_path / ("x.tif" if mode == "CMYK" else "x.png")
    Image.new(mode, (4, 3)).save(name)
    assert load_image(name).mode == "RGB"
    assert image_size(name) == (3, 4)


def ramp(name, values):
    Image.fromarray(np.tile(values, (8, 1))).save(name)
    return np.asarray(load_image(name))[0, :, 0]


@pytest.mark.parametrize("suffix", ["png", "tif", "pgm"])
def test_16_bits_are_scaled_by_their_range(tmp_path, suffix):
    values = np.linspace(0, 65535, 64).round().astype(np.uint16)
    found = ramp(tmp_path / f"ramp.{suffix}", values)
    assert found.tolist() == np.rint(values / 257).astype(int).tolist()
    assert "16 bits" in read_image(tmp_path / f"ramp.{suffix}").notes[0]


def test_16_bits_in_colour_are_scaled_by_their_range(tmp_path):
    rows = b"".join(b"\0" + struct.pack(">3H", 65535, 32896, 0) * 4 for _ in range(3))

    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">2I5B", 4, 3, 16, 2, 0, 0, 0)
    parts = (chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b""))
    (tmp_path / "c.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
    assert np.asarray(load_image(tmp_path / "c.png"))[0, 0].tolist() == [255, 128, 0]


def test_floats_from_0_to_1_are_scaled(tmp_path):
    values = np.linspace(0, 1, 64, dtype=np.float32)
    found = ramp(tmp_path / "ramp.tif", values)
    assert found.tolist() == np.rint(values * 255).astype(int).tolist()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (np.float32([0, 300]), "floats from 0 to 300"),
        (np.float32([-1, 1]), "floats from -1 to 1"),
        (np.float32([0, np.nan]), "floats from nan"),
        (np.int32([0, 70000]), "32 bits from 0 to 70000"),
    ],
)
def test_values_of_unknown_range_are_refused(tmp_path, values, said):
    with pytest.raises(
        DataError, match=rf"ramp\.tif cannot be read: its values are .*{said}|{said}"
    ):
        ramp(tmp_path / "ramp.tif", values)


@pytest.mark.parametrize("save", [{"transparency": 0}, {}])
def test_transparency_is_shown_over_white_and_said(tmp_path, save):
    file = tmp_path / "clear.png"
    if save:
        Image.new("P", (2, 2)).save(file, **save)
    else:
        Image.new("RGBA", (2, 2), (255, 0, 0, 0)).save(file)
    assert np.array(load_image(file)).min() == 255
    assert "transparent" in read_image(file).notes[0]
    Image.new("RGBA", (2, 2), (255, 0, 0, 255)).save(file)
    assert read_image(file).notes == ()


def test_of_several_pages_the_first_is_read_and_it_is_said(tmp_path):
    pages = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    pages[0].save(tmp_path / "pages.tif", save_all=True, append_images=pages[1:])
    read = read_image(tmp_path / "pages.tif")
    assert read.image.getpixel((0, 0)) == (255, 0, 0)
    assert read.notes == ("has 2 frames or pages, of which the first is read.",)


def test_what_cannot_be_read_is_named(tmp_path):
    (tmp_path / "text.jpg").write_text("not an image")
    Image.new("RGB", (64, 64)).save(tmp_path / "cut.jpg")
    whole = (tmp_path / "cut.jpg").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    for name in ["text.jpg", "cut.jpg", "absent.jpg", "."]:
        with pytest.raises(DataError, match=name.strip(".") or str(tmp_path)):
            load_image(tmp_path / name)


@pytest.mark.filterwarnings("ignore::UserWarning")  # of Pillow, about damaged metadata
@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "gif", "webp", "bmp"])
def test_damaged_bytes_are_an_image_or_one_sentence(tmp_path, suffix):
    dice = np.random.default_rng(4)
    picture = Image.fromarray(dice.integers(0, 255, (20, 30, 3), dtype=np.uint8))
    exif = picture.getexif()
    exif[0x0112] = 6
    picture.save(tmp_path / f"whole.{suffix}", exif=exif)
    whole = (tmp_path / f"whole.{suffix}").read_bytes()
    file = tmp_path / f"broken.{suffix}"
    for _ in range(150):
        broken = bytearray(whole)
        for place in dice.integers(0, min(len(whole), 400), dice.integers(1, 5)):
            broken[place] = dice.integers(0, 256)
        file.write_bytes(bytes(broken))
        with suppress(DataError):
            size, image = image_size(file), load_image(file)
            assert size == (image.height, image.width)


def bomb(file, side=40_000):
    """A PNG file of a few kilobytes that claims and holds `side` x `side` pixels of one bit."""

    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">2I5B", side, side, 1, 0, 0, 0, 0)
    parts = (chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(b"\0" * 1000)))
    file.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
    return file


def test_an_image_of_gigapixels_is_refused_before_it_is_decoded(tmp_path):
    for read in (load_image, image_size):
        with pytest.raises(DataError, match=f"too many pixels.*{LIMIT_VARIABLE}"):
            read(bomb(tmp_path / "huge.png"))


def test_the_limit_is_an_option(tmp_path, monkeypatch):
    Image.new("RGB", (64, 64)).save(tmp_path / "a.png")
    monkeypatch.setenv(LIMIT_VARIABLE, "4000")
    with pytest.raises(DataError, match=r"64 x 64.*The limit is 4000"):
        load_image(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    monkeypatch.setenv(LIMIT_VARIABLE, "5000")
    assert load_image(tmp_path / "a.png").size == (64, 64)
    monkeypatch.setenv(LIMIT_VARIABLE, "many")
    with pytest.raises(DataError, match="number of pixels from 1, but it is 'many'"):
        pixel_limit()
