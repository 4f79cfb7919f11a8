"""The published 4-bit base: NF4 with double quantisation."""

import importlib.util

import pytest
import torch

from pixfoundation.errors import PrerequisiteError
from pixfoundation.models.omg_llava.checkpoint import load
from pixfoundation.models.omg_llava.four_bit import round_to_nf4
from tests.models.omg_llava import tiny_checkpoint as tiny

INSTALLED = importlib.util.find_spec("bitsandbytes") is not None
needs_bitsandbytes = pytest.mark.skipif(not INSTALLED, reason="bitsandbytes is not installed")

# quantiles of the normal distribution, scaled to [-1, 1] (Dettmers et al., arXiv 2305.14314)
BELOW = (-1.0, -0.69619280, -0.52507305, -0.39491749, -0.28444138, -0.18477343, -0.09105004, 0.0)
ABOVE = (0.07958030, 0.16093020, 0.24611230, 0.33791524, 0.44070983, 0.56261700, 0.72295684, 1.0)
CODE = torch.tensor([*BELOW, *ABOVE])


@needs_bitsandbytes
def test_weights_become_the_nearest_of_sixteen_values_of_their_block():
    weight = 0.02 * torch.randn(256, 512, generator=torch.Generator().manual_seed(0))
    blocks = weight.half().float().view(-1, 64)
    scales = blocks.abs().amax(1, keepdim=True)
    nearest = CODE[((blocks / scales)[..., None] - CODE).abs().argmin(-1)]
    found = round_to_nf4(weight)
    assert found.dtype == torch.float16
    # the scales are rounded to 8 bits in their turn: hence a bound, not equality
    error = (found.float().view(-1, 64) - nearest * scales).abs()
    assert bool((error <= 0.02 * scales).all())
    assert not torch.equal(found, (nearest * scales).view_as(weight).half())


@needs_bitsandbytes
def test_the_base_is_rounded_before_the_update_is_merged_and_the_head_is_not(folder, core, tensors):
    rounded = load(folder, base="nf4")
    assert torch.equal(rounded.llm.lm_head.weight, core.llm.lm_head.weight)
    name = "model.layers.0.attention.wo"
    up, down = (
        tensors.finetuned[f"llm.base_model.model.{name}.lora_{part}.default.weight"]
        for part in "BA"
    )
    wanted = round_to_nf4(tensors.base[f"{name}.weight"]).float() + 0.5 * up @ down
    torch.testing.assert_close(rounded.llm.model.layers[0].self_attn.o_proj.weight.data, wanted)


@needs_bitsandbytes
def test_fused_weights_are_rounded_whole(folder, tensors):
    weight = tensors.base["model.layers.0.attention.wqkv.weight"]
    head = tiny.HIDDEN // tiny.LLM_HEADS
    rounded = load(folder, base="nf4", lora_scale=0.0).llm.model.layers[0].self_attn
    groups = round_to_nf4(weight).float().view(tiny.GROUPS, -1, head, tiny.HIDDEN)
    assert torch.equal(rounded.k_proj.weight.data, groups[:, -2].flatten(0, 1))
    assert torch.equal(rounded.v_proj.weight.data, groups[:, -1].flatten(0, 1))


@pytest.mark.skipif(INSTALLED, reason="bitsandbytes is installed")
def test_without_bitsandbytes_the_command_to_install_it_is_said(folder):
    with pytest.raises(PrerequisiteError, match=r"pip install 'pixfoundation\[quantization\]'"):
        load(folder, base="nf4")
