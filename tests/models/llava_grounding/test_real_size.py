"""The segmenter at the real size of its input, 1024 pixels, with few channels."""

import pytest

from pixfoundation.models.llava_grounding.segmenter import Segmenter
from pixfoundation.models.llava_grounding.sizes import SegmenterSizes
from tests.models.real_size import BOTH_THREADS, drawn, greatest_error, picture


@pytest.mark.slow
@BOTH_THREADS
def test_maps_and_mask_features_are_exact(threads):
    """Swin, the group norms, deformable attention over 21,760 cells, and the step up."""
    segmenter = drawn(Segmenter(SegmenterSizes(
        patch=4, embed=8, depths=(1, 1, 1, 1), swin_heads=(1, 2, 4, 8), window=7, mlp_ratio=4.0,
        width=32, mask_width=32, encoder_layers=1, encoder_heads=2, encoder_mlp=32,
        decoder_layers=1, decoder_heads=2, decoder_mlp=32, text_width=16, queries=20,
    )))  # fmt: skip

    def run(model, pixels):
        maps = model.backbone(pixels).feature_maps
        assert all(one.is_contiguous() for one in maps)  # what the group norms read
        encoded = model.pixel_encoder(maps)
        return *maps, encoded.mask_features, *encoded.maps

    assert greatest_error(segmenter, run, picture(1024), threads) < 5e-5
