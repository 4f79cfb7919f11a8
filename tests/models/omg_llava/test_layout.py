"""The maps of ConvNeXt are contiguous, so that GroupNorm on the CPU keeps its precision."""

import pytest
import torch
import torch.nn.functional as F
from transformers import ConvNextConfig
from transformers.models.convnext.modeling_convnext import ConvNextEmbeddings, ConvNextStage

from pixfoundation.models.omg_llava.perception import Trunk


def small_trunk(widths=(16, 24, 32, 40)):
    trunk = Trunk.__new__(Trunk)
    torch.nn.Module.__init__(trunk)
    config = ConvNextConfig(hidden_sizes=list(widths), depths=[1] * 4, hidden_act="gelu")
    trunk.embeddings = ConvNextEmbeddings(config)
    trunk.stages = torch.nn.ModuleList(
        ConvNextStage(config, before, after, stride=2 if i else 1, depth=1)
        for i, (before, after) in enumerate(zip((widths[0], *widths), widths, strict=False))
    )
    return trunk.eval()


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("side", [64, pytest.param(1024, marks=pytest.mark.slow)])
@torch.inference_mode()
def test_maps_are_contiguous_and_group_norm_is_exact_at_the_real_size(side, threads):
    torch.manual_seed(0)
    trunk, before = small_trunk(), torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        maps = trunk(torch.randn(1, 3, side, side) + 3)
        for found in maps:
            assert found.is_contiguous()
            normed = F.group_norm(found, 8)
            exact = F.group_norm(found.double(), 8)
            assert (normed - exact).abs().max() < 5e-5
    finally:
        torch.set_num_threads(before)
