"""The original layout of SAM; that masks agree with plain torch is in test_lisa."""

import pytest
import torch
from transformers import SamModel

from pixfoundation.errors import CheckpointError
from pixfoundation.models.common.loading import empty_weights
from pixfoundation.models.common.sam_original import (
    masks_from_states,
    sam_config,
    sam_names,
    to_original_size,
)
from tests.models.common.llava_sam.tiny_checkpoint import LISA, sam_shapes


def test_every_tensor_of_the_original_has_its_place_and_every_place_is_filled():
    shapes = sam_shapes(LISA)
    with empty_weights():
        model = SamModel(sam_config(shapes, "a test"))
    places = {name: tuple(value.shape) for name, value in model.named_parameters()}
    filled = {name: shape for key, shape in shapes.items() for name in sam_names(key)}
    assert filled == places


def test_sizes_are_read_off_the_shapes():
    config = sam_config(sam_shapes(LISA), "a test")
    vision = config.vision_config
    assert vision.image_size == LISA.sam_side
    assert vision.patch_size == LISA.sam_patch
    assert vision.num_hidden_layers == LISA.sam_depth
    assert vision.num_attention_heads == LISA.sam_heads
    assert vision.window_size == LISA.sam_window
    assert list(vision.global_attn_indexes) == list(LISA.sam_global)
    assert config.mask_decoder_config.layer_norm_eps == 1e-5


def test_another_layout_is_refused_with_what_is_missing():
    shapes = sam_shapes(LISA)
    del shapes["image_encoder.pos_embed"]
    with pytest.raises(CheckpointError, match=r"a test is not of the original.*pos_embed"):
        sam_config(shapes, "a test")


def test_no_prompt_gives_no_mask():
    torch.manual_seed(0)
    model = SamModel(sam_config(sam_shapes(LISA), "a test")).eval()
    image = torch.randn(1, LISA.prompt, 8, 8)
    assert masks_from_states(model, image, torch.zeros(0, LISA.prompt)).shape == (0, 32, 32)


def test_padding_is_cut_before_the_mask_takes_the_image_s_size():
    logits = -torch.ones(1, 16, 16)
    logits[:, :8] = 1  # the upper half of the square, where a wide image lies
    whole = to_original_size(logits, 64, (30, 64), (15, 32))
    assert whole.shape == (1, 15, 32)
    assert (whole > 0).all()
    assert to_original_size(logits[:0], 64, (30, 64), (15, 32)).shape == (0, 15, 32)
