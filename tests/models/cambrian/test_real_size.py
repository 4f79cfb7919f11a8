"""The four encoders at the real sizes of their inputs, with one layer of few channels."""

from typing import Any

import pytest
import torch
from transformers import (
    CLIPVisionConfig,
    CLIPVisionModel,
    ConvNextConfig,
    ConvNextModel,
    Dinov2Config,
    Dinov2Model,
    SiglipVisionConfig,
    SiglipVisionModel,
)

from pixfoundation.models.cambrian.pixels import Preprocessing
from pixfoundation.models.cambrian.sizes import TowerKind, TowerSpec
from pixfoundation.models.cambrian.towers import Clip, ConvNext, Dinov2, Siglip, resample_positions
from tests.models.real_size import BOTH_THREADS, drawn, greatest_error, picture

SMALL: dict[str, Any] = {
    "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "patch_size": 14,
}  # fmt: skip


def siglip():
    config = SiglipVisionConfig(
        **SMALL, intermediate_size=64, image_size=384, vision_use_head=False
    )
    return Siglip, SiglipVisionModel(config), 384, 24


def clip():
    config = CLIPVisionConfig(**SMALL, intermediate_size=64, image_size=336)
    return Clip, CLIPVisionModel(config), 336, 24


def dinov2():
    encoder = Dinov2Model(Dinov2Config(**SMALL, image_size=518))
    positions = encoder.embeddings.position_embeddings
    encoder.embeddings.position_embeddings = torch.nn.Parameter(
        resample_positions(positions.detach(), 27)
    )
    return Dinov2, encoder, 378, 24


def convnext():
    config = ConvNextConfig(hidden_sizes=[8, 16, 24, 32], depths=[1, 1, 1, 1])
    return ConvNext, ConvNextModel(config), 1024, 96


@pytest.mark.slow
@BOTH_THREADS
@pytest.mark.parametrize("make", [siglip, clip, dinov2, convnext])
def test_features_are_exact(make, threads):
    kind, encoder, side, cells = make()
    spec = TowerSpec(0, TowerKind(make.__name__), make.__name__, "", 32, cells, stages=True)
    preprocessing = Preprocessing(side, (0.0,) * 3, (0.0,) * 3, (1.0,) * 3)
    tower = drawn(kind(spec, encoder, preprocessing, 32))

    def run(model, pixels):
        features = model(pixels)
        assert features.shape[:2] == (1, cells * cells)
        return [features]

    assert greatest_error(tower, run, picture(side), threads) < 5e-5
