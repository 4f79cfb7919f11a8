"""Published folders load; errors name what is wrong with any other."""

import json

import pytest
import torch
from safetensors.torch import save_file

from pixfoundation.errors import CheckpointError, PrerequisiteError
from pixfoundation.models.llava_grounding.checkpoint import load
from pixfoundation.models.llava_grounding.tags import find_tags
from pixfoundation.models.llava_grounding.vision_config import find_vision_config

from . import tiny_checkpoint as tiny

A = tiny.VARIANTS["a"]


def edit(file, **changes):
    content = json.loads(file.read_text())
    content.update(changes)
    file.write_text(json.dumps({k: v for k, v in content.items() if v is not None}))


@pytest.fixture
def folder(tmp_path):
    return tiny.write(tmp_path / "checkpoint", A)


def read(folder, **options):
    options = {"vision_tower": folder / "clip", "dtype": torch.float32} | options
    return load(folder, queries=A.queries, **options)


def test_every_tensor_arrives(folder, weights_of):
    state, made = read(folder).state_dict(), weights_of("a")
    assert torch.equal(state["language_model.lm_head.weight"], made["lm_head.weight"])
    qkv = made["seg_model.model.backbone.layers.1.blocks.1.attn.qkv.weight"]
    projections = [
        state[f"segmenter.backbone.swin.encoder.layers.1.blocks.1.attention.{x}_proj.weight"]
        for x in "qkv"
    ]
    assert torch.equal(torch.cat(projections), qkv)
    assert not any(value.is_meta for value in state.values())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, "float16"])
def test_the_segmenter_stays_in_float32(folder, dtype):
    core = read(folder, dtype=dtype)
    half = torch.float16 if dtype == "float16" else dtype
    for name, value in core.named_parameters():
        assert value.dtype == (torch.float32 if name.startswith("segmenter.") else half), name
    image = core.encode_image(torch.zeros(1, 3, 28, 28))
    generated = core.generate(core.embed([1, -200, 300], image), 4)
    assert generated.step_states.dtype == half
    pixels = torch.zeros(3, 128, 128, dtype=torch.uint8)
    assert core.segment(pixels, generated.step_states).masks.dtype == torch.float32


def test_safetensors_that_store_shared_modules_once_load_too(folder, weights_of):
    made = weights_of("a")
    once = {k: v.clone() for k, v in made.items() if ".bbox_embed." not in k}
    for shard in folder.glob("pytorch_model*"):
        shard.unlink()
    save_file(once, folder / "model.safetensors")
    box_head = "segmenter.query_decoder.box_head.layers.0.weight"
    own = made["seg_model.model.sem_seg_head.predictor._bbox_embed.layers.0.weight"]
    assert torch.equal(read(folder).state_dict()[box_head], own)


def test_openais_clip_needs_no_separate_folder(folder):
    core = load(folder, dtype=torch.float32, queries=A.queries)
    config = core.vision_tower.config
    assert (config.hidden_size, config.num_hidden_layers) == (A.clip, A.clip_layers)
    assert (config.image_size, config.patch_size) == (A.clip_side, A.patch)
    assert config.hidden_act == "quick_gelu"


@pytest.mark.parametrize("prefix", ["vision_model.", ""])
def test_clip_may_lie_next_to_the_checkpoint(prefix, folder, weights_of):
    """The authors' training saves it there if the tower is not part of the model."""
    root = "model.vision_tower.vision_tower.vision_model."
    rewrite(folder, lambda w: {k: v for k, v in w.items() if not k.startswith(root)})
    made = weights_of("a")
    tower = {prefix + k.removeprefix(root): v for k, v in made.items() if k.startswith(root)}
    save_file({**tower, "text_model.final_layer_norm.bias": torch.zeros(2)},
              folder / "clip" / "model.safetensors")  # fmt: skip
    core = read(folder)
    assert torch.equal(
        core.vision_tower.state_dict()["embeddings.class_embedding"],
        made[f"{root}embeddings.class_embedding"],
    )
    torch.save({}, folder / "clip" / "pytorch_model.bin")
    save_file({k: v for k, v in tower.items() if "pre_layrnorm" not in k},
              folder / "clip" / "model.safetensors")  # fmt: skip
    with pytest.raises(CheckpointError, match="2 parameters of the model are not in it: pre_layr"):
        read(folder)


def test_settings_without_a_tensor_come_from_the_originals_yaml(folder):
    assert find_vision_config(folder) == (300, 1024)
    other_yaml = folder.parent / "other.yaml"
    text = "MODEL: {{DECODER: {{NUM_OBJECT_QUERIES: {}}}}}\nflickr: {{INPUT: {{IMAGE_SIZE: {}}}}}"
    (folder / "vision.yaml").write_text(text.format(20, 128))
    other_yaml.write_text(text.format(30, 640))
    assert find_vision_config(folder) == (20, 128)
    assert find_vision_config(folder, other_yaml) == (30, 640)
    core = load(folder, vision_tower=folder / "clip", dtype=torch.float32)
    assert core.segmenter.query_decoder.queries == 20
    other_yaml.write_text("MODEL: [1]")
    with pytest.raises(CheckpointError, match="NUM_OBJECT_QUERIES .TypeError.*Give the YAML file"):
        load(folder, vision_tower=folder / "clip", vision_config=other_yaml)


def test_tags_come_from_the_tokenizer_or_are_the_last_rows(folder):
    assert tuple(find_tags(folder, A.vocabulary)) == (600, 601, 602)
    for name in ("tokenizer.model", "tokenizer_config.json", "added_tokens.json"):
        (folder / name).unlink()
    assert tuple(find_tags(folder, A.vocabulary)) == (600, 601, 602)


def break_truncated(folder):
    file = folder / "pytorch_model-00002-of-00003.bin"
    file.write_bytes(file.read_bytes()[:5000])


def break_missing_shard(folder):
    (folder / "pytorch_model-00003-of-00003.bin").unlink()


def break_vocabulary(folder):
    edit(folder / "config.json", vocab_size=A.vocabulary - 3)


def break_width(folder):
    edit(folder / "config.json", intermediate_size=3 * A.hidden)


def break_heads(folder):
    edit(folder / "config.json", num_attention_heads=5)


def break_tokenizer(folder):
    (folder / "added_tokens.json").write_text(json.dumps({"<g_s>": 600, "<g_e>": 601}))


def break_ids(folder):
    (folder / "added_tokens.json").write_text(json.dumps({**tiny.TAGS, "<seg>": 900}))


def break_clip(folder):
    edit(folder / "clip" / "config.json", image_size=42)


def break_clip_folder(folder):
    (folder / "clip" / "config.json").unlink()


def break_config(folder):
    (folder / "config.json").write_text("{")


def break_key(folder):
    rewrite(folder, lambda w: {**w, "seg_model.model.backbone.extra.weight": torch.zeros(1)})


def break_parameter(folder):
    rewrite(folder, lambda w: {k: v for k, v in w.items() if not k.endswith("mask_features.bias")})


def break_tower(folder):
    rewrite(folder, lambda w: {k: v for k, v in w.items() if "vision_model.encoder" not in k})


def rewrite(folder, change):
    tiny.write(folder, A, change(tiny.weights(A)))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (break_truncated, "00002-of-00003.bin.*truncated or damaged. Download it again"),
        (break_missing_shard, "lacks pytorch_model-00003-of-00003.bin.*Download the missing"),
        (break_vocabulary, "has 603 rows, but config.json says vocab_size 600.*download both"),
        (break_width, r"mlp.gate_proj.*takes \[96, 32\]"),
        (break_heads, "config.json of .* does not describe a Llama model"),
        (break_tokenizer, "does not know <seg>. Copy added_tokens.json"),
        (break_ids, "has <seg> at id 900, but the model has 603 tokens"),
        (break_clip, "images of 42 and 3 layers; the one in .* has 16, 14, 28 and 3"),
        (break_clip_folder, "There is no .*clip/config.json"),
        (break_config, "config.json is not readable as JSON"),
        (break_key, "1 keys of it have no place in the model: seg_model.model.backbone.extra"),
        (break_parameter, "1 parameters of the model are not in it: segmenter.pixel_encoder.mask"),
        (break_tower, "holds no complete CLIP"),
    ],
)
def test_the_error_names_what_is_wrong(damage, message, folder):
    damage(folder)
    with pytest.raises(CheckpointError, match=message):
        read(folder)


def test_a_clip_that_cannot_be_fetched_is_a_missing_prerequisite(folder):
    with pytest.raises(
        PrerequisiteError, match="configuration of CLIP could not be had from no/cl"
    ):
        read(folder, vision_tower="no/clip")


def test_clip_may_include_its_text_model(folder):
    (folder / "clip" / "config.json").write_text(
        json.dumps({"model_type": "clip", "vision_config": tiny.clip_settings(A)})
    )
    assert read(folder).clip_side == A.clip_side


def test_too_little_memory_is_refused_before_weights_are_read(folder, monkeypatch):
    from pixfoundation.models.common import placement

    monkeypatch.setattr(placement, "_free_on", lambda device: 1 << 20)
    with pytest.raises(PrerequisiteError, match="checkpoint needs .* for weights"):
        read(folder)
