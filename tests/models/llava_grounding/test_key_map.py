"""The published keys: each has a place, or is one of those that are not needed."""

import re

import pytest
import torch

from pixfoundation.errors import CheckpointError
from pixfoundation.models.common.checkpoints import Checkpoint
from pixfoundation.models.llava_grounding.key_map import (
    IGNORABLE,
    check_copies,
    convert,
    rename,
)
from pixfoundation.models.llava_grounding.sizes import segmenter_sizes

from . import tiny_checkpoint as tiny

PREDICTOR = "seg_model.model.sem_seg_head.predictor."


@pytest.mark.parametrize("letter", list(tiny.VARIANTS))
def test_sizes_are_read_off_the_shapes(letter, weights_of):
    sizes, made = tiny.VARIANTS[letter], weights_of(letter)
    read = segmenter_sizes({k: tuple(v.shape) for k, v in made.items()}, queries=7)
    assert (read.patch, read.embed, read.depths) == (4, sizes.embed, sizes.depths)
    assert (read.swin_heads, read.window, read.mlp_ratio) == (sizes.swin_heads, sizes.window, 4)
    assert (read.width, read.mask_width, read.text_width) == (32, 32, sizes.hidden)
    assert (read.encoder_layers, read.encoder_heads) == (sizes.encoder_layers, 8)
    assert (read.decoder_layers, read.decoder_heads) == (sizes.decoder_layers, 8)
    assert (read.encoder_mlp, read.decoder_mlp, read.queries) == (48, 48, 7)


def test_a_checkpoint_of_another_model_is_refused():
    with pytest.raises(CheckpointError, match="patch_embed.*is missing.*llava_grounding_gd_vp"):
        segmenter_sizes({"model.embed_tokens.weight": (10, 4)}, 300)


def test_what_is_ignorable():
    stored = list(tiny.weights(tiny.VARIANTS["a"]))
    ignored = [key for key in stored if any(re.search(pattern, key) for pattern in IGNORABLE)]
    assert {key.rpartition(".")[2] for key in ignored} == {
        "inv_freq", "relative_position_index", "lang_mapper", "empty_weight", "weight",
    }  # fmt: skip
    assert [key for key in ignored if key.endswith(".weight")] == [
        "interactive_model.model.obj_projector.weight"
    ]
    assert all(rename(key) for key in stored if key not in ignored)


@pytest.mark.parametrize(
    ("key", "names"),
    [
        ("lm_head.weight", ["language_model.lm_head.weight"]),
        (
            "model.layers.31.mlp.up_proj.weight",
            ["language_model.model.layers.31.mlp.up_proj.weight"],
        ),
        (
            f"{PREDICTOR}decoder.layers.8.norm2.bias",  # the second norm is self-attention's
            ["segmenter.query_decoder.layers.8.self_attn_layer_norm.bias"],
        ),
        (
            f"{PREDICTOR}decoder.bbox_embed.8.layers.1.weight",
            ["segmenter.query_decoder.box_head.layers.1.weight"],
        ),
        (
            f"{PREDICTOR}decoder.layers.3.self_attn.in_proj_bias",
            [f"segmenter.query_decoder.layers.3.self_attn.{x}_proj.bias" for x in "qkv"],
        ),
        (f"{PREDICTOR}logit_scale", ["segmenter.query_decoder.logit_scale"]),
        ("model.norms.weight", []),
        ("seg_model.model.sem_seg_head.pixel_decoder.adapter_12.weight", []),
    ],
)
def test_places(key, names):
    assert list(rename(key) or ()) == names


def test_fused_projections_are_split_by_rows():
    key = "seg_model.model.backbone.layers.0.blocks.1.attn.qkv.weight"
    fused = torch.arange(12.0).reshape(6, 2)
    assert [part[0, 0].item() for part in convert(key, fused)] == [0, 4, 8]


@pytest.mark.parametrize(
    "key", [f"{PREDICTOR}bbox_embed.1.layers.0.weight", f"{PREDICTOR}decoder.norm.bias"]
)
def test_copies_of_a_shared_module_must_be_equal(key, tmp_path, weights_of):
    made = dict(weights_of("a"))
    check_copies(Checkpoint.open(tiny.write(tmp_path / "equal", tiny.VARIANTS["a"], made)))
    made[key] = made[key] + 1
    folder = tiny.write(tmp_path / "differing", tiny.VARIANTS["a"], made)
    with pytest.raises(CheckpointError, match="are one module in LLaVA-Grounding but differ"):
        check_copies(Checkpoint.open(folder))
