"""Images come as a person sees them, or are refused in one sentence that names the file."""

import numpy as np
import pytest
from PIL import Image

from pixfoundation.errors import DataError
from pixfoundation.images import image_size, load_image


def test_exif_rotation_is_applied(tmp_path):
    image = Image.new("RGB", (30, 10))
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(tmp_path / "turned.jpg", exif=exif)
    assert load_image(tmp_path / "turned.jpg").size == (10, 30)
    assert image_size(tmp_path / "turned.jpg") == (30, 10)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "1", "I;16", "CMYK", "LA"])
def test_every_mode_becomes_rgb(tmp_path, mode):
    name = tmp_path / ("x.tif" if mode == "CMYK" else "x.png")
    Image.new(mode, (4, 3)).save(name)
    assert load_image(name).mode == "RGB"
    assert image_size(name) == (3, 4)


def test_transparency_is_shown_over_white(tmp_path):
    Image.new("RGBA", (2, 2), (255, 0, 0, 0)).save(tmp_path / "clear.png")
    assert np.array(load_image(tmp_path / "clear.png")).min() == 255


def test_what_cannot_be_read_is_named(tmp_path):
    (tmp_path / "text.jpg").write_text("not an image")
    Image.new("RGB", (64, 64)).save(tmp_path / "cut.jpg")
    whole = (tmp_path / "cut.jpg").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    for name in ["text.jpg", "cut.jpg", "absent.jpg", "."]:
        with pytest.raises(DataError, match=name.strip(".") or str(tmp_path)):
            load_image(tmp_path / name)


def test_an_image_of_too_many_pixels_is_refused(tmp_path, monkeypatch):
    Image.new("RGB", (64, 64)).save(tmp_path / "huge.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(DataError, match="too many pixels"):
        load_image(tmp_path / "huge.png")
