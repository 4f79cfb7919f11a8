"""Loading: sizes from the files, every key accounted for, and bad input in one sentence."""

from __future__ import annotations

import dataclasses
import json
import shutil
import warnings

import pytest
import torch
from safetensors.torch import save_file

from pixfoundation.errors import CheckpointError, PrerequisiteError
from pixfoundation.models.common.pickles import convert
from pixfoundation.models.omg_llava.checkpoint import load
from pixfoundation.models.omg_llava.files import FilePaths
from tests.models.omg_llava import tiny_checkpoint as tiny

LLM = "llm.base_model.model"


@pytest.fixture
def copied(folder, tmp_path):
    """A copy of the checkpoint that a test may damage."""
    own = tmp_path / "checkpoint"
    shutil.copytree(folder, own)
    return own


def rewrite(file, change):
    """Apply a change to the tensors of a file."""
    content = torch.load(file, weights_only=True)
    tensors = content.get("state_dict", content)
    change(tensors)
    torch.save(content, file)


def refused(folder, error=CheckpointError, **paths):
    """Load a folder that must be refused; return the message, which is one line."""
    with pytest.raises(error) as error_info:
        load(folder, FilePaths(**paths))
    message = str(error_info.value)
    assert "\n" not in message
    return message


def weights_of(core):
    """All weights of a loaded model by name, for comparison."""
    parts = {
        "perception": core.perception,
        "projector": core.projector,
        "text_to_vision": core.text_to_vision,
        "llm": core.llm,
    }
    return {
        f"{part}.{name}": value
        for part, module in parts.items()
        for name, value in module.state_dict().items()
    }


def test_sizes_come_from_the_files(core):
    assert core.llm.config.vocab_size == tiny.OWN_ROWS + 4
    assert core.llm.config.num_key_value_heads == tiny.GROUPS
    assert len(core.llm.model.layers) == tiny.LLM_LAYERS
    assert len(core.perception.transformer.decoder.layers) == tiny.DECODER
    assert len(core.perception.pixel_decoder.encoder.layers) == tiny.ENCODER
    assert core.vocabulary.seg == tiny.OWN_ROWS
    assert core.stop_ids == {2}
    assert core.notes == ()


def test_everything_may_be_named_instead_of_found(folder, core):
    again = load(
        paths=FilePaths(
            finetuned=folder / tiny.FINETUNED,
            head=folder / tiny.HEAD,
            bank=folder / tiny.BANK,
            trunk=folder / tiny.TRUNK,
            llm=folder / tiny.LLM,
        )
    )
    weights = weights_of(again)
    assert all(torch.equal(weights[name], value) for name, value in weights_of(core).items())


def test_files_are_found_in_sub_folders(folder, tmp_path, core):
    nested = tmp_path / "downloads"
    (nested / "laion" / "clip").mkdir(parents=True)
    shutil.copytree(folder, nested / "pretrained")
    (nested / "pretrained" / tiny.TRUNK).rename(nested / "laion" / "clip" / tiny.TRUNK)
    assert load(nested).files.trunk == nested / "laion" / "clip" / tiny.TRUNK


def test_half_precision_is_of_the_language_model_only(folder):
    core = load(folder, dtype="bfloat16")
    assert {p.dtype for p in core.llm.parameters()} == {torch.bfloat16}
    assert core.llm.model.rotary_emb.inv_freq.dtype == torch.float32
    assert {p.dtype for p in core.perception.parameters()} == {torch.float32}
    assert {p.dtype for p in core.projector.parameters()} == {torch.float32}
    spoken = core.generate(torch.zeros(3, tiny.HIDDEN), 4)
    assert core.queries(spoken.seg_states).dtype == torch.float32


# ---- the update ---------------------------------------------------------------------------------


def test_an_older_peft_wrote_no_base_layer(copied, core):
    def rename(tensors):
        tensors[f"{LLM}.output.weight"] = tensors.pop(f"{LLM}.output.base_layer.weight")

    rewrite(copied / tiny.FINETUNED, rename)
    assert torch.equal(load(copied).llm.lm_head.weight, core.llm.lm_head.weight)


def test_the_update_is_merged_with_half_its_size_into_the_head_too(core, tensors):
    tuned = tensors.finetuned
    own = tuned[f"{LLM}.output.base_layer.weight"]
    up, down = (tuned[f"{LLM}.output.lora_{part}.default.weight"] for part in "BA")
    torch.testing.assert_close(core.llm.lm_head.weight.data, own + 0.5 * up @ down)


def test_another_scale_of_the_update_can_be_given(folder, tensors):
    merged = load(folder, lora_scale=0.0).llm.model.layers[0].self_attn.o_proj.weight
    assert torch.equal(merged, tensors.base["model.layers.0.attention.wo.weight"])


@pytest.mark.parametrize("key", ["output", "model.layers.1.attention.wqkv"])
def test_a_missing_update_is_named(copied, key):
    name = f"{LLM}.{key}.lora_B.default.weight"
    rewrite(copied / tiny.FINETUNED, lambda tensors: tensors.pop(name))
    message = refused(copied)
    assert "1 low-rank updates are missing" in message
    assert name in message


def test_an_update_without_a_module_is_named(copied):
    name = f"{LLM}.model.layers.9.attention.wo.lora_A.default.weight"
    rewrite(copied / tiny.FINETUNED, lambda tensors: tensors.update({name: torch.ones(2, 2)}))
    message = refused(copied)
    assert "1 have no module in the base model" in message
    assert name in message


def test_an_update_of_another_base_is_refused(copied):
    name = f"{LLM}.model.layers.0.attention.wo.lora_A.default.weight"
    rewrite(copied / tiny.FINETUNED, lambda tensors: tensors.update({name: torch.ones(6, 7)}))
    assert "'model.layers.0.attention.wo' does not fit its weight of [32, 32]" in refused(copied)


# ---- the account of keys ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "key"),
    [
        (tiny.HEAD, "panoptic_head.cls_proj.2.weight"),
        (tiny.HEAD, "panoptic_head.transformer_decoder.layers.2.self_attn.attn.in_proj_bias"),
        (tiny.TRUNK, "visual.trunk.stages.2.blocks.1.gamma"),
        (tiny.FINETUNED, "projector.model.model_feat.2.bias"),
        (tiny.FINETUNED, "projector_text2vision.model.0.weight"),
        (f"{tiny.LLM}/pytorch_model-a.bin", "model.layers.0.ffn_norm.weight"),
    ],
)
def test_a_missing_tensor_of_any_file_is_refused(copied, file, key):
    rewrite(copied / file, lambda tensors: tensors.pop(key))
    index = copied / tiny.LLM / "pytorch_model.bin.index.json"
    listed = json.loads(index.read_text())["weight_map"]
    listed.pop(key, None)
    index.write_text(json.dumps({"weight_map": listed}))
    assert "parameters of the model are not in it" in refused(copied)


@pytest.mark.parametrize(
    ("file", "key"),
    [
        (tiny.HEAD, "panoptic_head.decoder_input_projs.0.weight"),
        (tiny.HEAD, "neck.weight"),
        (tiny.TRUNK, "visual.other.weight"),
        (tiny.FINETUNED, "projector.model.visual_prompt_query_proj.weight"),
        (tiny.FINETUNED, "visual_encoder.adapter_proj.weight"),
    ],
)
def test_a_tensor_without_a_place_is_refused(copied, file, key):
    rewrite(copied / file, lambda tensors: tensors.update({key: torch.ones(2)}))
    message = refused(copied)
    assert "1 keys of it have no place in the model" in message
    assert key in message
    assert file in message


def test_a_tensor_of_another_shape_is_refused(copied):
    key = "projector.model.model.2.weight"
    rewrite(copied / tiny.FINETUNED, lambda tensors: tensors.update({key: torch.ones(3, 3)}))
    assert f"{key} is [3, 3], not [32, 32]" in refused(copied)


# ---- missing and damaged files ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        (tiny.FINETUNED, "hf download zhangtao-whu/OMG-LLaVA"),
        (tiny.HEAD, "hf download zhangtao-whu/OMG-LLaVA"),
        (tiny.BANK, "hf download zhangtao-whu/OMG-LLaVA"),
        (tiny.TRUNK, "hf download laion/CLIP-convnext_large_d_320.laion2B-s29B-b131K-ft-soup"),
        (tiny.LLM, "hf download internlm/internlm2-chat-7b"),
    ],
)
def test_a_missing_file_is_named_with_its_remedy(copied, name, remedy):
    path = copied / name
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    message = refused(copied, PrerequisiteError)
    assert name in message
    assert str(copied) in message
    assert remedy in message


@pytest.mark.parametrize("option", ["finetuned", "head", "bank", "trunk", "llm"])
def test_a_given_file_that_is_not_there_is_named(folder, option):
    message = refused(folder, PrerequisiteError, **{option: folder / "nowhere"})
    assert str(folder / "nowhere") in message


@pytest.mark.parametrize(
    "file",
    [tiny.FINETUNED, tiny.HEAD, tiny.BANK, tiny.TRUNK, f"{tiny.LLM}/pytorch_model-b.bin"],
)
@pytest.mark.parametrize("kept", [0.0, 0.6])
def test_a_truncated_file_is_named(copied, file, kept):
    path = copied / file
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    message = refused(copied)
    assert str(path) in message
    assert "truncated" in message


def test_a_missing_shard_is_named(copied):
    (copied / tiny.LLM / "pytorch_model-b.bin").unlink()
    assert "lacks pytorch_model-b.bin" in refused(copied)


def test_two_files_for_one_part_are_not_guessed_between(copied):
    shutil.copytree(copied, copied / "again")
    assert "Several files could be the OMG-Seg weights" in refused(copied)


def test_a_folder_that_is_not_there_is_named(tmp_path):
    assert str(tmp_path / "nowhere") in refused(tmp_path / "nowhere")


def test_class_embeddings_must_be_unit_vectors(copied, tensors):
    torch.save(2 * tensors.bank, copied / tiny.BANK)
    assert "unit vectors [classes, wordings, width]" in refused(copied)
    torch.save({"bank": tensors.bank}, copied / tiny.BANK)
    assert "holds a dict, not a single tensor" in refused(copied)


def test_the_configuration_must_fit_the_base(copied):
    file = copied / tiny.LLM / "config.json"
    config = json.loads(file.read_text())
    file.write_text(json.dumps(config | {"num_key_value_heads": 4}))
    assert "4 heads in 4 groups do not fit the fused projection of 64 rows" in refused(copied)
    file.write_text(json.dumps({"model_type": "internlm2"}))
    assert "'num_attention_heads' is missing" in refused(copied)


def test_a_base_of_another_width_is_refused(copied, tensors):
    base = {key: value[..., :24] for key, value in tensors.base.items()}
    tiny.save_llm(base, copied / tiny.LLM)
    assert "belong to different models" in refused(copied)


def test_a_head_of_another_model_is_refused(copied):
    def change(head):
        head["panoptic_head.level_embed.weight"] = torch.ones(4, tiny.FEATURES)

    rewrite(copied / tiny.HEAD, change)
    assert "this one has 4 levels" in refused(copied)


# ---- the vocabulary -----------------------------------------------------------------------------


def test_six_tokens_counted_twice_are_dropped_and_reported(tensors, tmp_path, core):
    def with_gap(name, value):
        if (
            "tok_embeddings" not in name
            and "output.base_layer" not in name
            and ("output.lora_B" not in name)
        ):
            return value
        gap = torch.full((6, value.shape[1]), 77.0)
        return torch.cat((value[: tiny.OWN_ROWS], gap, value[tiny.OWN_ROWS :]))

    tuned = {name: with_gap(name, value) for name, value in tensors.finetuned.items()}
    later = tiny.save(dataclasses.replace(tensors, finetuned=tuned), tmp_path / "later")
    with pytest.warns(UserWarning, match=f"has {tiny.OWN_ROWS + 10} vocabulary rows") as said:
        repaired = load(later)
    assert f"Rows {tiny.OWN_ROWS} to {tiny.OWN_ROWS + 5} were dropped" in str(said[0].message)
    assert repaired.notes == (str(said[0].message),)
    assert repaired.vocabulary.seg == tiny.OWN_ROWS
    weights = weights_of(repaired)
    assert all(torch.equal(weights[name], value) for name, value in weights_of(core).items())


def test_nothing_is_reported_where_nothing_is_repaired(folder):
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        load(folder)


@pytest.mark.parametrize("added", [0, 3, 5, 9, 11])
def test_other_numbers_of_rows_are_refused(tmp_path, added):
    odd = tiny.save(tiny.make_tensors(added_rows=added), tmp_path / "odd")
    message = refused(odd)
    assert f"has {tiny.OWN_ROWS + added} vocabulary rows" in message
    assert f"expected {tiny.OWN_ROWS + 4} (or {tiny.OWN_ROWS + 10}" in message


def test_the_head_has_as_many_rows_as_the_embedding(copied):
    def cut(tensors):
        key = f"{LLM}.output.base_layer.weight"
        tensors[key] = tensors[key][:-1].clone()

    rewrite(copied / tiny.FINETUNED, cut)
    assert "both must have one row per token" in refused(copied)


# ---- pickles and safetensors --------------------------------------------------------------------


class Meter:
    """What a trainer leaves beside the weights."""


def test_a_file_with_other_objects_is_refused_until_it_is_converted(copied, core):
    for name in (tiny.HEAD, tiny.FINETUNED):
        content = torch.load(copied / name, weights_only=True)
        torch.save(content | {"message_hub": Meter()}, copied / name)
        message = refused(copied)
        assert f"pixfoundation convert-weights {copied / name}" in message
        convert(copied / name)
    weights = weights_of(load(copied))
    assert all(torch.equal(weights[name], value) for name, value in weights_of(core).items())


def test_safetensors_are_taken_before_a_pickle_of_the_same_name(copied, tensors, core):
    (copied / tiny.HEAD).write_bytes(b"not read")
    save_file(tensors.head, (copied / tiny.HEAD).with_suffix(".safetensors"))
    (copied / tiny.BANK).rename(copied / "bank.pth")
    convert(copied / "bank.pth", (copied / tiny.BANK).with_suffix(".safetensors"))
    (copied / "bank.pth").unlink()
    again = load(copied)
    assert again.files.head.suffix == again.files.bank.suffix == ".safetensors"
    assert torch.equal(again.perception.class_head.bank, core.perception.class_head.bank)
