"""LISA and GLaMM at the real sizes of their inputs: SAM at 1024, CLIP at 224 and at 336 pixels."""

import pytest
import torch
from transformers import (
    CLIPVisionConfig,
    CLIPVisionModel,
    SamConfig,
    SamMaskDecoderConfig,
    SamModel,
    SamPromptEncoderConfig,
    SamVisionConfig,
)

from pixfoundation.models.common.sam_original import encode_image, masks_from_states
from tests.models.real_size import BOTH_THREADS, drawn, greatest_error, picture

pytestmark = pytest.mark.slow


@BOTH_THREADS
def test_sam_s_grid_and_masks_are_exact(threads):
    """A window layer, a layer over all 4096 cells, the neck and the mask decoder."""
    sam = drawn(SamModel(SamConfig(
        vision_config=SamVisionConfig(
            hidden_size=16, num_hidden_layers=2, num_attention_heads=2, window_size=14,
            global_attn_indexes=[1], output_channels=16, mlp_dim=32, num_pos_feats=8,
        ),
        prompt_encoder_config=SamPromptEncoderConfig(hidden_size=16, mask_input_channels=4),
        mask_decoder_config=SamMaskDecoderConfig(
            hidden_size=16, mlp_dim=32, num_attention_heads=2, iou_head_hidden_dim=16,
            layer_norm_eps=1e-5,
        ),
    )))  # fmt: skip
    states = torch.randn(2, 16, generator=torch.Generator().manual_seed(2))

    def run(model, pixels):
        grid = encode_image(model, pixels)
        return grid, masks_from_states(model, grid, states.to(grid))

    assert greatest_error(sam, run, picture(1024), threads) < 5e-5


@BOTH_THREADS
@pytest.mark.parametrize("side", [224, 336])
def test_clip_s_states_are_exact(side, threads):
    clip = drawn(CLIPVisionModel(CLIPVisionConfig(
        hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        image_size=side, patch_size=14,
    )))  # fmt: skip

    def run(model, pixels):
        return model(pixels, output_hidden_states=True).hidden_states

    assert greatest_error(clip, run, picture(side), threads) < 5e-5
