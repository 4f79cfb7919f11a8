"""Recognising and loading Sa2VA checkpoints; one clear error for what does not fit."""

from __future__ import annotations

import json
import shutil
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

import pixfoundation as pf
from pixfoundation.errors import CheckpointError, DataError
from pixfoundation.models.detection import detect_family
from pixfoundation.models.sa2va.checkpoint import UNDIVIDED, Sa2vaOptions, load_network
from pixfoundation.models.sa2va.network import Sa2va
from tests.models.sa2va import tiny_sa2va as tiny

GIVEN = tiny.SAM2.given


@pytest.fixture
def copied(made, tmp_path):
    """A function that returns a copy of a checkpoint, to be spoiled."""

    def of(kind: str):
        folder = tmp_path / kind
        shutil.copytree(made(kind).folder, folder)
        return folder

    return of


def load(folder, **options) -> Any:
    return pf.load_model(str(folder), device="cpu", **{"sam2_sizes": GIVEN, **options})


def change(folder, part="", **fields):
    file = folder / "config.json"
    config = json.loads(file.read_text())
    target = config[part] if part else config
    target.update(fields)
    file.write_text(json.dumps(config))


def rewrite(folder, tensors):
    for file in folder.glob("*.safetensors*"):
        file.unlink()
    tiny.write_shards(folder, tensors)


@pytest.mark.parametrize("kind", tiny.KINDS)
def test_a_folder_is_recognised(made, kind):
    assert detect_family(str(made(kind).folder)).family == "sa2va"


def test_a_folder_without_its_architecture_is_recognised_by_its_tensors(copied):
    folder = copied("internvl")
    change(folder, architectures=None)
    assert detect_family(str(folder)).family == "sa2va"


def test_code_in_the_folder_is_never_run(copied):
    folder = copied("internvl")
    (folder / "modeling_sa2va_chat.py").write_text("raise SystemExit('this code was run')")
    (folder / "configuration_sa2va_chat.py").write_text("raise SystemExit('this code was run')")
    assert load(folder).capabilities == {"masks", "attention"}


def test_sizes_of_sam2_may_come_from_a_file(made, tmp_path):
    (tmp_path / "sizes.json").write_text(json.dumps(GIVEN))
    assert load(made("internvl").folder, sam2_sizes=str(tmp_path / "sizes.json")).network.sam_side


@pytest.mark.parametrize("kind", ["internvl", "qwen2.5"])
def test_a_sam2_of_another_size_is_refused(made, kind):
    with pytest.raises(CheckpointError, match="another size than the published ones.*sam2_sizes"):
        load(made(kind).folder, sam2_sizes=None)


@pytest.mark.parametrize("kind", tiny.KINDS)
def test_a_tokenizer_without_seg_is_refused(copied, kind):
    folder = copied(kind)
    for name in ("tokenizer.json", "tokenizer_config.json", "added_tokens.json"):
        if (folder / name).is_file():
            text = (folder / name).read_text()
            (folder / name).write_text(text.replace("[SEG]", "[SIG]"))
    with pytest.raises(CheckpointError, match=r"has no token \[SEG\].*own tokenizer files"):
        load(folder)


def test_missing_tokenizer_files_are_named(copied):
    folder = copied("qwen3")
    (folder / "tokenizer.json").unlink()
    with pytest.raises(CheckpointError, match="has no tokenizer: neither"):
        load(folder)
    other = copied("internlm2")
    (other / "tokenizer.model").unlink()
    with pytest.raises(CheckpointError, match="There is no .*tokenizer.model"):
        load(other)


@pytest.mark.parametrize("kind", ["internvl", "qwen3"])
def test_a_tokenizer_of_other_weights_is_refused(made, copied, kind):
    folder = copied(kind)
    tensors = dict(made(kind).tensors)
    for name in tensors:
        if name.endswith(("embed_tokens.weight", "lm_head.weight")):
            tensors[name] = tensors[name][:-1].clone()
    rewrite(folder, tensors)
    if kind == "qwen3":
        change(folder, "text_config", vocab_size=len(tensors["model.lm_head.weight"]))
    with pytest.raises(CheckpointError, match="the vocabulary belongs to another checkpoint"):
        load(folder)


def test_a_truncated_shard_is_named(copied):
    folder = copied("internvl")
    shard = folder / "model-00002-of-00002.safetensors"
    shard.write_bytes(shard.read_bytes()[:-1000])
    with pytest.raises(CheckpointError, match="00002-of-00002.safetensors.*truncated or damaged"):
        load(folder)


def test_a_missing_shard_is_named(copied):
    folder = copied("qwen2.5")
    (folder / "model-00001-of-00002.safetensors").unlink()
    with pytest.raises(CheckpointError, match="lacks model-00001-of-00002.safetensors"):
        load(folder)


@pytest.mark.parametrize(
    "name",
    [
        "language_model.base_model.model.model.layers.0.self_attn.q_proj.lora_A.default.weight",
        "model.base_model.model.model.language_model.layers.0.mlp.up_proj.lora_B.default.weight",
    ],
)
def test_an_update_that_is_not_merged_is_refused(made, copied, name):
    folder = copied("internvl")
    rewrite(folder, {**made("internvl").tensors, name: torch.zeros(2, 2)})
    with pytest.raises(CheckpointError, match="LoRA.*not merged.*convert_to_hf"):
        load(folder)
    change(folder, use_llm_lora=128)
    rewrite(folder, made("internvl").tensors)
    with pytest.raises(CheckpointError, match="use_llm_lora is 128.*not merged"):
        load(folder)


def test_the_phi3_variants_are_refused_with_the_ones_that_work(copied):
    folder = copied("internvl")
    change(folder, "llm_config", architectures=["Phi3ForCausalLM"])
    with pytest.raises(CheckpointError) as caught:
        load(folder)
    for part in (
        "Phi3ForCausalLM",
        "not supported",
        "Sa2VA-4B".removeprefix("Sa2VA"),
        "Qwen3-VL-4B",
    ):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("part", "field", "value", "message"),
    [
        ("", "template", "vicuna", "template` is 'vicuna'.*qwen_chat"),
        ("", "ps_version", "v1", "ps_version is 'v1'"),
        ("", "select_layer", -2, "select_layer is -2"),
        ("", "downsample_ratio", 0.25, "downsample_ratio is 0.25"),
        ("", "force_image_size", 224, "image size is 224.*tiles of 448"),
        ("vision_config", "patch_size", 16, "patch_size is 16.*patches of 14"),
    ],
)
def test_values_that_the_published_code_does_not_expect_are_refused(
    copied, part, field, value, message
):
    folder = copied("internvl")
    change(folder, part, **{field: value})
    with pytest.raises(CheckpointError, match=message):
        load(folder)


@pytest.mark.parametrize("kind", tiny.KINDS)
def test_missing_and_left_over_tensors_are_both_listed(made, copied, kind):
    folder = copied(kind)
    tensors = dict(made(kind).tensors)
    del tensors["text_hidden_fcs.2.bias"]
    tensors["text_hidden_fcs.4.bias"] = torch.zeros(3)
    tensors["grounding_encoder.sam2_model.sam_mask_decoder.extra"] = torch.zeros(3)
    rewrite(folder, tensors)
    with pytest.raises(CheckpointError) as caught:
        load(folder)
    for text in ("text_hidden_fcs.4.bias", "sam_mask_decoder.extra", "text_hidden_fcs.2.bias"):
        assert text in str(caught.value)


def test_a_checkpoint_without_sam2_is_refused(made, copied):
    folder = copied("qwen3")
    own = {k: v for k, v in made("qwen3").tensors.items() if "grounding_encoder" not in k}
    rewrite(folder, own)
    with pytest.raises(CheckpointError, match="has no SAM 2 and could draw no mask"):
        load(folder)


def test_names_of_older_exports_are_read(made, copied, loaded):
    folder = copied("qwen2.5")
    old = {
        name.replace("model.model.visual.", "model.visual.").replace(
            "model.model.language_model.", "model.model."
        ): value
        for name, value in made("qwen2.5").tensors.items()
    }
    assert "model.visual.patch_embed.proj.weight" in old
    rewrite(folder, old)
    again, known = load(folder).network.state_dict(), loaded("qwen2.5").network.state_dict()
    assert again.keys() == known.keys()
    assert all(torch.equal(again[name], known[name]) for name in known)


def test_one_file_without_shards_loads(made, copied):
    folder = copied("internlm2")
    tensors: dict[str, torch.Tensor] = {}
    for file in sorted(folder.glob("*.safetensors")):
        tensors |= load_file(file)
        file.unlink()
    (folder / "model.safetensors.index.json").unlink()
    save_file(tensors, folder / "model.safetensors")
    assert load(folder).network.kind.value == "InternVL with InternLM2"


@pytest.mark.parametrize("kind", tiny.KINDS)
def test_half_precision_rounds_the_weights_alone(made, kind):
    options = Sa2vaOptions(device="cpu", dtype="bfloat16", sam2_sizes=GIVEN)
    network = load_network(made(kind).folder, options).network
    assert {p.dtype for p in network.parameters()} == {torch.bfloat16}
    rotary = network.mllm.model.language_model.rotary_emb.inv_freq
    assert rotary.dtype == torch.float32
    names = {type(module).__name__ for module in network.modules()}
    assert names & set(UNDIVIDED) >= {"Sam2MultiScaleBlock", "Sam2MaskDecoder"}


def test_an_option_of_an_unknown_name_is_refused(made):
    with pytest.raises(DataError, match="sam2_size"):
        load(made("internvl").folder, sam2_size={})


def test_the_mask_path_is_tried_before_any_data_is_touched(made, monkeypatch):
    def fail(self, features, tokens):
        raise RuntimeError("shapes do not fit")

    monkeypatch.setattr(Sa2va, "low_resolution_masks", fail)
    with pytest.raises(CheckpointError, match="SAM 2 and its head fails.*shapes do not fit"):
        load(made("internvl").folder)
