"""A checkpoint loads completely or is refused in one sentence; sizes are the published ones."""

# pyright: reportArgumentType=false, reportOptionalSubscript=false

from __future__ import annotations

import json
import shutil

import pytest
import torch

from pixfoundation.errors import CheckpointError, DataError
from pixfoundation.models.cambrian.aggregator import Aggregator
from pixfoundation.models.cambrian.checkpoint import load
from pixfoundation.models.cambrian.sizes import CambrianSizes, read_sizes, read_tower_name
from pixfoundation.models.common.checkpoints import Checkpoint
from pixfoundation.models.common.loading import empty_weights
from tests.models.cambrian import tiny_checkpoint as tiny
from tests.models.cambrian.conftest import tokens

PUBLISHED = (
    ("siglip/CLIP-ViT-SO400M-14-384", 1152, 24),
    ("openai/clip-vit-large-patch14-336", 1024, 24),
    ("facebook/dinov2-giant-res378", 1536, 24),
    ("clip-convnext-XXL-multi-stage", 5760, 96),
)


@pytest.fixture
def copy(made, tmp_path):
    """A copy of the checkpoint folder, to be damaged."""
    return shutil.copytree(made.folder, tmp_path / "checkpoint")


def reload(copy, made):
    return load(copy, towers=made.towers, dtype=torch.float32)


def edit(copy, **fields):
    file = copy / "config.json"
    config = json.loads(file.read_text()) | fields
    file.write_text(json.dumps({k: v for k, v in config.items() if v is not None}))


def rewrite(copy, made, without=(), extra=None):
    for file in copy.glob("model*"):
        file.unlink()
    kept = {k: v for k, v in made.weights.items() if not k.startswith(tuple(without))}
    tiny.save_shards(copy, kept | (extra or {}))


def test_sizes_and_names_of_the_published_checkpoint():
    towers = tuple(
        read_tower_name(i, name, width=width, side=side)
        for i, (name, width, side) in enumerate(PUBLISHED)
    )
    sizes = CambrianSizes(towers, 24, (24,), (3,), 1024, 4096, tuple(range(0, 30, 3)), 91, -2, 2048)
    with empty_weights():
        aggregator = Aggregator(sizes)

    def count(part):
        return sum(p.numel() for p in aggregator.get_submodule(part).parameters())

    assert count("vision_sampler_0") == 47_296_512
    assert count("vision_sampler_layers.0") == 22_056_960
    assert count("vision_sampler_layers") == 220_569_600
    shapes = {name: tuple(p.shape) for name, p in aggregator.named_parameters()}
    sampler = "vision_sampler_layers.9.layers.0"
    assert shapes["mm_projector_aux_3.0.weight"] == (1024, 5760)
    assert shapes["mm_projector_aux_3.3.weight"] == (1024,)
    assert shapes["mm_projector.2.weight"] == (4096, 4096)
    assert shapes["vision_query"] == (1, 1024)
    assert shapes["image_newline"] == (4096,)
    assert shapes["vision_sampler_0.layers.2.proj_in.weight"] == (1024, 2048)
    assert shapes[f"{sampler}.proj_in.weight"] == (1024, 5120)
    assert shapes[f"{sampler}.pos_embed_3"] == (16, 1024)
    assert shapes[f"{sampler}.proj_out.linear_2.weight"] == (4096, 1024)
    assert {name.rsplit(".", 2)[1] for name in shapes if f"{sampler}.cross_attn" in name} >= {"0"}
    assert f"{sampler}.cross_attn.k_proj_3.1.weight" in shapes
    assert f"{sampler}.cross_attn.q_proj.0.bias" in shapes
    assert f"{sampler}.pos_embed_0" not in shapes


def test_sizes_of_the_tiny_checkpoint(made):
    sizes = read_sizes(made.folder, Checkpoint.open(made.folder))
    assert sizes.sampled == (0, 2)
    assert sizes.connector_depths == (2,)
    assert (sizes.vision_width, sizes.width) == (tiny.VISION, tiny.WIDTH)
    assert sizes.windows(24) == (1, 1, 1, 4)
    assert [tower.kind for tower in sizes.towers] == ["siglip", "clip", "dinov2", "convnext"]


def test_rotation_base_and_dtype_are_taken_over(made, copy):
    model = load(copy, towers=made.towers, dtype="bfloat16")
    assert model.llm.config.rope_parameters["rope_theta"] == 500000.0
    dtypes = {p.dtype for m in (model.llm, model.aggregator, *model.towers) for p in m.parameters()}
    assert dtypes == {torch.bfloat16}


def test_tied_embeddings_need_no_output_head(made, copy):
    rewrite(copy, made, without=["lm_head"])
    edit(copy, tie_word_embeddings=True)
    model = reload(copy, made)
    assert model.llm.lm_head.weight is model.llm.model.embed_tokens.weight


def test_rotary_frequencies_of_old_checkpoints_are_no_surprise(made, copy):
    rewrite(copy, made, extra={"model.layers.0.self_attn.rotary_emb.inv_freq": torch.zeros(6)})
    reload(copy, made)


def test_a_connector_without_samplers_in_the_language_model(made, copy):
    rewrite(copy, made, without=["model.vision_sampler_layers"])
    edit(copy, connector_only=True)
    model = reload(copy, made)
    assert model.sizes.sampled == ()
    out = model.generate([2, -200, 3, 4], model.encode(_grey()), (64, 64), tokens(2))
    assert len(out.ids) == 2 or out.ids[-1] == 1  # the image may stand anywhere


def _grey():
    import numpy as np

    return np.full((64, 64, 3), 99, np.uint8)


@pytest.mark.parametrize(
    ("without", "says"),
    [
        ("model.vision_sampler_layers", r"no samplers .*config.json says 2"),
        ("model.vision_sampler_layers.1", r"holds 1 samplers .*says 2"),
        ("model.vision_sampler_0", r"lacks the connector model\.vision_sampler_0"),
        ("model.vision_query", r"lacks the tensor 'model\.vision_query'"),
        ("model.mm_projector_aux_2", r"lacks the tensor 'model\.mm_projector_aux_2"),
        ("model.layers.3.mlp.up_proj", r"1 parameters of the model are not in it"),
    ],
)
def test_an_incomplete_checkpoint_is_refused(made, copy, without, says):
    rewrite(copy, made, without=[without])
    with pytest.raises(CheckpointError, match=says) as error:
        reload(copy, made)
    assert "\n" not in str(error.value)


def test_a_key_without_a_place_is_refused(made, copy):
    rewrite(copy, made, extra={"model.vision_sampler_7.oddity": torch.zeros(2)})
    with pytest.raises(CheckpointError, match=r"no place in the model: model\.vision_sampler_7"):
        reload(copy, made)


def test_a_truncated_shard_is_named(made, copy):
    shard = copy / "model-00002-of-00003.safetensors"
    shard.write_bytes(shard.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match=r"model-00002-of-00003\.safetensors.*truncated"):
        reload(copy, made)
    shard.unlink()
    with pytest.raises(CheckpointError, match=r"lacks model-00002-of-00003\.safetensors"):
        reload(copy, made)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        (
            {"mm_projector_type": "mlp2x_gelu"},
            "not describe a Cambrian-1 model with a spatial vision",
        ),
        ({"image_token_len": None}, "lacks 'image_token_len'"),
        ({"image_token_len": 600}, "600 image tokens do not form a square"),
        ({"query_num_list": [25]}, "cannot be divided among 5 x 5 queries"),
        ({"mm_vision_tower_aux_token_len_list": [576]}, "names 4 vision towers but .* of 1"),
        ({"stride_of_vision_sampler_layers": 9}, "after decoder layer 9, but there are only 4"),
        ({"mm_vision_tower_aux_list": ["a", "b", "c", "d"]}, "Unknown vision tower 'a'"),
    ],
)
def test_a_configuration_that_cannot_be_is_refused(made, copy, fields, says):
    edit(copy, **fields)
    with pytest.raises(CheckpointError, match=says):
        reload(copy, made)


def test_a_width_that_sixteen_heads_cannot_share_is_refused(made, copy):
    rewrite(
        copy, made, without=["model.vision_query"], extra={"model.vision_query": torch.zeros(1, 40)}
    )
    with pytest.raises(
        CheckpointError, match="width 40 is not a multiple of its 16 attention heads"
    ):
        reload(copy, made)


def test_eight_bits_answer_nearly_the_same(model, made):
    pytest.importorskip("bitsandbytes")
    small = load(made.folder, towers=made.towers, dtype=torch.float32, quantization="8bit")
    assert type(small.llm.model.layers[0].mlp.up_proj).__name__ == "Linear8bitLt"
    features = model.encode(_grey())
    ids = [2, 3, 4, 5, 6, -200, 7, 8]
    whole, rough = (
        m.generate(ids, features, (64, 64), tokens(1)).logits[0] for m in (model, small)
    )
    assert (whole - rough).abs().max() < 0.3 * whole.std()
    assert not torch.equal(whole, rough)


def test_a_quantisation_that_nobody_has_is_refused(made):
    with pytest.raises(DataError, match="'8bit' or '4bit', but got '2bit'"):
        load(made.folder, towers=made.towers, quantization="2bit")  # type: ignore[arg-type]
