"""What is wrong with a checkpoint of UniGR or UniPixel is said in one sentence."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

import pixfoundation as pf
from pixfoundation.errors import CheckpointError, DataError
from pixfoundation.models.common.qwen_pixel.network import PixelQwen
from pixfoundation.models.common.qwen_pixel.phrases import words_before
from tests.models.qwen_pixel.tiny_checkpoint import UNIGR, UNIPIXEL, write

FAMILIES = {"unigr": UNIGR, "unipixel": UNIPIXEL}
FIRST = "model-00001-of-00002.safetensors"


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    return {
        name: write(tmp_path_factory.mktemp(name) / "whole", sizes)
        for name, sizes in FAMILIES.items()
    }


@pytest.fixture(params=FAMILIES)
def family(request):
    return request.param


@pytest.fixture
def folder(originals, family, tmp_path):
    return shutil.copytree(originals[family].folder, tmp_path / "copy")


def load(folder, family, **options):
    return pf.load_model(str(folder), **{"sam2_sizes": FAMILIES[family].sam.given, **options})


def change(folder, rename=lambda key: key, more=None):
    """Rename or drop (None) tensors of the first shard, and add others."""
    tensors = {
        new: value
        for key, value in load_file(folder / FIRST).items()
        if (new := rename(key)) is not None
    }
    save_file(tensors | (more or {}), folder / FIRST)
    index = json.loads((folder / "model.safetensors.index.json").read_text())["weight_map"]
    index = {key: file for key, file in index.items() if file != FIRST}
    index |= dict.fromkeys(tensors | (more or {}), FIRST)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))


def test_a_sam2_of_another_size(folder, family):
    with pytest.raises(CheckpointError, match=r"SAM 2 of another size than the published ones"):
        load(folder, family, sam2_sizes=None)


def test_a_tokenizer_without_the_segmentation_token(folder, family):
    file = folder / "tokenizer.json"
    content = json.loads(file.read_text())
    seg = FAMILIES[family].seg
    content["added_tokens"] = [t for t in content["added_tokens"] if t["content"] != seg]
    file.write_text(json.dumps(content))
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    text = json.dumps(settings).replace(json.dumps(seg), '"<|endoftext|>"')
    (folder / "tokenizer_config.json").write_text(text)
    (folder / "special_tokens_map.json").unlink(missing_ok=True)
    with pytest.raises(CheckpointError, match=r"has no token .*could not request a mask"):
        load(folder, family)


def test_a_truncated_shard(folder, family):
    whole = (folder / FIRST).read_bytes()
    (folder / FIRST).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CheckpointError, match=rf"{FIRST}.*truncated or damaged"):
        load(folder, family)


def test_a_missing_shard(folder, family):
    (folder / FIRST).unlink()
    with pytest.raises(CheckpointError, match=rf"lacks {FIRST}"):
        load(folder, family)


def test_a_lora_that_is_not_merged(folder, family):
    change(folder, more={"model.layers.0.self_attn.q_proj.lora_A.weight": torch.zeros(2, 2)})
    with pytest.raises(CheckpointError, match=r"LoRA adapter that is not merged"):
        load(folder, family)


def test_an_adapter_next_to_the_weights(folder, family):
    (folder / "adapter_config.json").write_text("{}")
    with pytest.raises(CheckpointError, match=r"LoRA adapter that is not merged"):
        load(folder, family)


def test_missing_and_left_over_tensors_are_both_listed(folder, family):
    change(
        folder,
        lambda key: "model.layers.9.extra.weight" if key.endswith("0.mlp.up_proj.weight") else key,
    )
    with pytest.raises(CheckpointError) as caught:
        load(folder, family)
    assert "have no place in the model" in str(caught.value)
    assert "parameters of the model are not in it" in str(caught.value)


def test_a_vocabulary_of_another_checkpoint(folder, family):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"vocab_size": 200}))
    with pytest.raises(CheckpointError, match=r"says vocab_size 200, but the weights hold"):
        load(folder, family)


def test_no_tokenizer(folder, family):
    (folder / "tokenizer.json").unlink()
    with pytest.raises(CheckpointError, match=r"holds no tokenizer"):
        load(folder, family)


def test_an_unknown_value_of_an_option(folder, family):
    with pytest.raises(DataError, match=r"rotary.*exact, bfloat16"):
        load(folder, family, rotary="half")


@pytest.mark.parametrize(
    ("pieces", "words"),
    [
        (["Sure, ", "*", "."], [None]),
        (["It is ", "*", "."], [None]),
        (["The red cat ", "*", " sits by a dog ", "*", "."], ["The red cat", "sits by a dog"]),
        (["Yes. The red cat ", "*"], ["The red cat"]),
        (["A <p> grey house </p> here ", "*"], ["grey house"]),
        (["*", "*"], [None, None]),
    ],
)
def test_a_mask_gets_the_words_before_its_token(pieces, words):
    text, spans, ids = "", [], []
    for piece in pieces:
        shown = "" if piece == "*" else piece
        ids.append(7 if piece == "*" else 1)
        spans.append((len(text), len(text) + len(shown)))
        text += shown
    phrases = words_before(text, ids, spans, 7)
    assert [phrase and phrase.text for phrase in phrases] == words
    assert all(phrase is None or text[slice(*phrase.span)] == phrase.text for phrase in phrases)


def test_the_mask_path_is_tried_before_any_data_is_touched(folder, family, monkeypatch):
    def fail(self, features, tokens):
        raise RuntimeError("shapes do not fit")

    monkeypatch.setattr(PixelQwen, "low_resolution_masks", fail)
    with pytest.raises(CheckpointError, match="SAM 2 and its head fails.*shapes do not fit"):
        load(folder, family)
