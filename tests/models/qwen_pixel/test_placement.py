"""UniGR, UniPixel and Sa2VA divided between devices, quantised, and in other precisions."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

import pixfoundation as pf
from pixfoundation.errors import DataError, PrerequisiteError
from pixfoundation.models.base import Decoding
from pixfoundation.models.common.placement import Placement
from pixfoundation.models.common.qwen_pixel import checkpoint as qwen
from pixfoundation.models.sa2va import checkpoint as sa2va
from pixfoundation.types import Prompt
from tests.models.qwen_pixel.against_plain import picture
from tests.models.qwen_pixel.own_and_attention import FAMILIES, checkpoint
from tests.models.qwen_pixel.tiny_checkpoint import UNIGR, UNIPIXEL, write

UNDIVIDED = {"unigr": qwen.UNDIVIDED, "unipixel": qwen.UNDIVIDED, "sa2va": sa2va.UNDIVIDED}
PROMPTS = [Prompt("1", 1, "What is it?"), Prompt("1", 3, "Please segment the cat in this image.")]


@pytest.fixture(scope="module", params=FAMILIES)
def made(request, tmp_path_factory):
    folder, sam = checkpoint(request.param, tmp_path_factory.mktemp("tiny") / request.param)
    return request.param, folder, sam.given


def load(made, **options) -> Any:
    _, folder, sizes = made
    return pf.load_model(str(folder), sam2_sizes=sizes, device="cpu", **options)


def answers(model):
    return model.answer([picture()] * 2, PROMPTS, Decoding(max_new_tokens=8))


def test_parts_on_two_devices_answer_as_on_one(made, monkeypatch):
    """Two spellings of the CPU stand in for two GPUs, so weights are where they should be."""
    monkeypatch.setattr("accelerate.utils.modeling.check_device_same", lambda *devices: True)
    model = load(made)
    network, whole = model.network, answers(model)
    size = sum(p.numel() * p.element_size() for p in network.parameters())
    plan = Placement.plan(
        network,
        lambda name: torch.float32,
        "auto",
        whole=UNDIVIDED[made[0]],
        budget={0: size // 2, 1: size},
    )
    assert len(plan.weights) == 2
    names = {torch.device("cuda", i): torch.device(n) for i, n in enumerate(("cpu", "cpu:0"))}
    Placement(
        {names[gpu]: weights for gpu, weights in plan.weights.items()},
        plan.working,
        {part: names[gpu] for part, gpu in plan.parts.items()},
    ).finish(network)
    hooked = {name for name, module in network.named_modules() if hasattr(module, "_hf_hook")}
    assert any(".layers." in name for name in hooked)
    assert any(name.startswith("sam") for name in hooked)
    model.forget_image()
    for one, other in zip(answers(model), whole, strict=True):
        assert one.token_ids == other.token_ids
        assert [m.mask for m in one.masks] == [m.mask for m in other.masks]


def test_a_precision_is_taken_and_recorded(made):
    model = load(made, dtype="bfloat16")
    kept = {p.dtype for p in model.network.parameters() if p.is_floating_point()}
    assert kept == {torch.bfloat16}
    assert model.fingerprint()["dtype"] == "bfloat16"
    assert all(answer.error is None for answer in answers(model))


def test_what_cannot_be_quantised_is_said_before_loading(made, monkeypatch):
    with pytest.raises(DataError, match="8bit"):
        load(made, quantization="2bit")
    monkeypatch.setattr("pixfoundation.models.common.placement.find_spec", lambda name: None)
    with pytest.raises(PrerequisiteError, match=r"pixfoundation\[quantization\]"):
        load(made, quantization="8bit")


def test_only_the_language_model_is_quantised(made):
    pytest.importorskip("bitsandbytes")
    model, exact = load(made, quantization="8bit", dtype="float32"), load(made, dtype="float32")
    changed = {
        name
        for name, module in model.network.named_modules()
        if type(module).__module__.startswith("bitsandbytes")
    }
    assert changed
    assert not {name for name in changed if "language_model" not in name}
    assert model.fingerprint()["quantization"] == "8bit"
    state = torch.ones(1, model.network.mllm.config.get_text_config().hidden_size)
    (one,), (other,) = (m.masks_of(picture(), state) for m in (model, exact))
    assert np.mean(one[0].decode() != other[0].decode()) < 0.01
    assert all(answer.error is None for answer in answers(model))


@pytest.mark.parametrize("sizes", [UNIGR, UNIPIXEL], ids=lambda each: each.family)
def test_four_bits_are_answered_with(sizes, tmp_path):
    pytest.importorskip("bitsandbytes")
    # Blocks of 64 weights need layers that are a multiple of 64 wide.
    wide = replace(sizes, width=64, mlp=64, sections=(4, 2, 2))
    folder = write(tmp_path, wide).folder
    made = sizes.family, folder, sizes.sam.given
    model = load(made, quantization="4bit", dtype="float32")
    layers = {type(module).__name__ for module in model.network.modules()}
    assert "Linear4bit" in layers
    assert model.fingerprint()["quantization"] == "4bit"
    assert all(answer.error is None for answer in answers(model))
