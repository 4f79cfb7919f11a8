"""Preprocessing, against CLIP's own processor with the published settings."""

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import CLIPImageProcessorPil

from pixfoundation.models.omg_llava.pixels import to_pixels


@pytest.mark.parametrize("size", [(64, 64), (90, 41), (40, 91), (300, 200)])
def test_pixels_are_those_of_clips_processor_on_the_padded_square(size):
    random = np.random.default_rng(sum(size))
    image = Image.fromarray(random.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))
    side = max(size)
    square = Image.new("RGB", (side, side), (122, 116, 104))
    square.paste(image, ((side - size[0]) // 2, (side - size[1]) // 2))
    processor = CLIPImageProcessorPil(
        size={"shortest_edge": 128},
        crop_size={"height": 128, "width": 128},
        image_mean=[0.4814, 0.4578, 0.4082],
        image_std=[0.2686, 0.2613, 0.2757],
    )
    wanted = processor(square, return_tensors="pt")["pixel_values"]
    torch.testing.assert_close(to_pixels(image, 128), wanted, rtol=0, atol=1e-5)
