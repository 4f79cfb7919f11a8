"""What can be said when a model of transformers is loaded is done, and recorded."""

import inspect
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pixfoundation.errors import CheckpointError, PixFoundationError, PrerequisiteError
from pixfoundation.models.base import Decoding
from pixfoundation.models.common.placement import quantization_config
from pixfoundation.models.transformers.adapter import load
from pixfoundation.types import Prompt
from tests.tiny_checkpoints import saved

COMMITS = ["a" * 40, "b" * 40]
PICTURE = Image.fromarray(np.random.default_rng(0).integers(0, 255, (50, 90, 3), np.uint8))


def asked(model):
    prompt = Prompt(sample="1", protocol=1, text="What is the cat?")
    return model.answer([PICTURE], [prompt], Decoding(max_new_tokens=6, attention=True))[0]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_a_precision_is_taken_and_recorded(dtype):
    model = load(str(saved("llava")), device="cpu", dtype=dtype)
    floats = {p.dtype for p in model._model.parameters() if p.is_floating_point()}
    assert floats == {getattr(torch, dtype)}
    assert model.fingerprint()["dtype"] == dtype
    assert asked(model).trace is not None


@pytest.mark.parametrize("attn", ["sdpa", "eager"])
def test_an_attention_implementation_is_taken_and_recorded(attn):
    model = load(str(saved("llava")), attn=attn)
    assert model.fingerprint()["attn"] == attn
    said = asked(model).text
    assert said == asked(load(str(saved("llava")))).text


def test_an_attention_implementation_that_is_not_there_is_one_sentence():
    with pytest.raises(PixFoundationError, match=r"llava-0: FlashAttention2 .* installed"):
        load(str(saved("llava")), attn="flash_attention_2")


def test_a_revision_of_the_hub_is_pinned_and_its_commit_recorded(tmp_path, monkeypatch):
    """The hub's cache as a download leaves it: two commits, and a tag for one of them."""
    from huggingface_hub import constants

    cache = tmp_path / "hub"
    for seed, commit in enumerate(COMMITS):
        snapshot = cache / "models--some--llava" / "snapshots" / commit
        shutil.copytree(saved("llava", seed=seed), snapshot)
    for name, commit in (("main", COMMITS[0]), ("v2", COMMITS[1])):
        file = cache / "models--some--llava" / "refs" / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(commit)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr("transformers.utils.hub.constants.HF_HUB_CACHE", str(cache))
    newest, pinned = load("some/llava"), load("some/llava", revision="v2")
    assert newest.fingerprint()["revision"] == COMMITS[0]
    assert pinned.fingerprint()["revision"] == COMMITS[1]
    by_commit = load("some/llava", revision=COMMITS[1])
    assert by_commit.fingerprint()["revision"] == COMMITS[1]
    weights = [model._model.get_input_embeddings().weight for model in (newest, pinned, by_commit)]
    assert not torch.equal(weights[0], weights[1])
    assert torch.equal(weights[1], weights[2])
    with pytest.raises(CheckpointError, match="some/llava cannot be loaded"):
        load("some/llava", revision="v3")


def test_quantization_without_its_package_says_what_to_install(monkeypatch):
    monkeypatch.setattr("pixfoundation.models.common.placement.find_spec", lambda name: None)
    with pytest.raises(PrerequisiteError, match=r"pip install 'pixfoundation\[quantization\]'"):
        load(str(saved("llava")), quantization="8bit")


def test_the_settings_of_a_quantization(monkeypatch):
    monkeypatch.setattr("pixfoundation.models.common.placement.find_spec", lambda name: name)
    eight = quantization_config("8bit", torch.float16)
    assert (eight.load_in_8bit, eight.load_in_4bit) == (True, False)
    pytest.importorskip("bitsandbytes")
    four = quantization_config("4bit", torch.bfloat16)
    assert (four.load_in_8bit, four.load_in_4bit) == (False, True)
    assert (four.bnb_4bit_quant_type, four.bnb_4bit_compute_dtype) == ("nf4", torch.bfloat16)


@pytest.mark.parametrize("kind", ["8bit", "4bit"])
def test_a_quantized_model_answers_with_attention_and_says_so(kind):
    pytest.importorskip("bitsandbytes")
    model = load("tiny-llava", device="cpu", quantization=kind)
    layers = {type(m).__name__ for m in model._model.modules()}
    assert ("Linear8bitLt" if kind == "8bit" else "Linear4bit") in layers
    assert model.fingerprint()["quantization"] == kind
    answer = asked(model)
    assert answer.trace is not None


def test_a_folder_of_the_hubs_cache_is_named_as_on_the_hub(tmp_path):
    snapshot = tmp_path / "models--some--llava-1.5" / "snapshots" / COMMITS[0]
    shutil.copytree(saved("llava"), snapshot)
    said = load(str(snapshot)).fingerprint()
    assert (said["source"], said["revision"]) == ("some/llava-1.5", COMMITS[0])
    assert said["weights"] == load(str(saved("llava"))).fingerprint()["weights"]


def test_the_page_lists_every_option():
    page = (Path(__file__).resolve().parents[3] / "docs" / "models.md").read_text()
    table = page.split("## Options")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
    named = re.findall(r"`(\w+)`", " ".join(rows))
    assert sorted(named) == sorted(set(inspect.signature(load).parameters) - {"name"})
