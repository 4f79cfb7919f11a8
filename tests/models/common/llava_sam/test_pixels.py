import numpy as np
import pytest
from PIL import Image

from pixfoundation.models.common.clip_square import clip_pixels
from pixfoundation.models.common.llava_sam.pixels import SAM_MEAN, SAM_STD, sam_pixels


def plain(size, colour=(200, 100, 50)):
    return Image.new("RGB", size, colour)


@pytest.mark.parametrize(
    ("size", "resized"),
    [
        ((640, 480), (768, 1024)),
        ((480, 640), (1024, 768)),
        ((2000, 1333), (682, 1024)),  # 682.496 rounds down
        ((224, 224), (1024, 1024)),  # small images grow
        ((4000, 1), (1, 1024)),
    ],
)
def test_the_longer_side_fills_sam_s_square(size, resized):
    pixels, resized_to = sam_pixels(plain(size), 1024)
    assert resized_to == resized
    assert pixels.shape == (1, 3, 1024, 1024)


def test_sam_s_padding_is_zero_after_normalisation():
    pixels, (height, width) = sam_pixels(plain((64, 32)), 64)
    assert (height, width) == (32, 64)
    assert not pixels[..., height:, :].any()
    expected = [
        (value - mean) / std
        for value, mean, std in zip((200, 100, 50), SAM_MEAN, SAM_STD, strict=True)
    ]
    assert pixels[0, :, 5, 5].tolist() == pytest.approx(expected, abs=1e-5)


def test_sam_sees_pillow_s_bilinear_filter():
    noise = Image.effect_noise((90, 60), 80).convert("RGB")
    pixels, (height, width) = sam_pixels(noise, 48)
    expected = np.asarray(noise.resize((width, height), Image.Resampling.BILINEAR), dtype=float)
    expected = (expected - SAM_MEAN) / SAM_STD
    assert np.allclose(pixels[0, :, :height].permute(1, 2, 0).numpy(), expected, atol=1e-5)


def test_clip_sees_the_middle_square_only():
    image = plain((300, 100), (0, 0, 0))
    image.paste((255, 255, 255), (0, 0, 100, 100))  # the left third, which is cut off
    image.paste((255, 255, 255), (200, 0, 300, 100))
    pixels = clip_pixels(image, 50)
    assert pixels.shape == (1, 3, 50, 50)
    dark = [-mean / std for mean, std in ((0.48145466, 0.26862954), (0.4578275, 0.26130258))]
    middle = pixels[0, :2, 10:40, 10:40].reshape(2, -1)
    assert middle.mean(1).tolist() == pytest.approx(dark, abs=1e-3)
