"""What CLIP and the segmenter see of a picture."""

import numpy as np
import pytest
import torch
from PIL import Image

from pixfoundation.models.common.clip_square import clip_pixels
from pixfoundation.models.llava_grounding.pixels import segmenter_pixels

from .tiny_checkpoint import picture


@pytest.mark.parametrize(
    ("size", "inner"),
    [
        ((100, 100), (64, 64)),
        ((200, 100), (64, 32)),
        ((100, 200), (32, 64)),
        ((20, 15), (64, 48)),  # small pictures grow
        ((100, 33), (64, 21)),  # 21.12
        ((1000, 2), (64, 1)),
    ],
)
def test_the_segmenter_sees_all_of_it_padded_right_and_below(size, inner):
    image = picture(*size)
    padded = segmenter_pixels(image, 64).numpy().transpose(1, 2, 0)
    resized = np.asarray(image.resize(inner, Image.Resampling.BILINEAR))
    assert padded.dtype == np.uint8
    assert padded.shape == (64, 64, 3)
    assert (padded[: inner[1], : inner[0]] == resized).all()
    assert (padded[inner[1] :] == 128).all()
    assert (padded[:, inner[0] :] == 128).all()


@pytest.mark.parametrize("size", [(56, 56), (112, 56), (56, 100)])
def test_clip_sees_the_middle_square(size):
    image = picture(*size)
    cropped = clip_pixels(image, 28)[0]
    scale = 28 / min(size)
    resized = image.resize((int(size[0] * scale), int(size[1] * scale)), Image.Resampling.BICUBIC)
    left, top = (resized.width - 28) // 2, (resized.height - 28) // 2
    array = np.asarray(resized.crop((left, top, left + 28, top + 28)), dtype=np.float64) / 255
    mean = np.array([0.48145466, 0.4578275, 0.40821073])
    std = np.array([0.26862954, 0.26130258, 0.27577711])
    expected = torch.from_numpy(((array - mean) / std).transpose(2, 0, 1)).float()
    torch.testing.assert_close(cropped, expected, atol=1e-5, rtol=0)
