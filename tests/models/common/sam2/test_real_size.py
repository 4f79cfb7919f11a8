"""SAM 2 at the real size of its input, 1024 pixels, with few channels: Sa2VA, UniGR, UniPixel."""

from dataclasses import replace

import pytest
import torch

from pixfoundation.models.common.sam2.loading import load_sam2
from pixfoundation.models.common.sam2.masks import decode_tokens, encode_image
from tests.models.common.sam2.tiny_sam2 import TinySam2, tensors
from tests.models.real_size import BOTH_THREADS, greatest_error, picture


@pytest.mark.slow
@BOTH_THREADS
def test_grids_and_masks_are_exact(tmp_path, threads):
    sizes = replace(TinySam2(), side=1024)
    torch.save({"model": tensors(sizes)}, tmp_path / "sam2.pt")
    sam = load_sam2(tmp_path / "sam2.pt", sizes=sizes.given)[0]
    states = torch.randn(2, 1, sizes.channels, generator=torch.Generator().manual_seed(2))

    def run(model, pixels):
        grids = encode_image(model, pixels)
        masks, scores, present = decode_tokens(model, grids, states.to(pixels))
        return grids.image, *grids.fine, masks, scores, present

    assert greatest_error(sam, run, picture(1024), threads) < 5e-5
