"""Parts of a model that keep their precision under quantisation are found at any depth."""

import torch
from torch import nn
from transformers.quantizers.quantizers_utils import should_convert_module

from pixfoundation.models.common.placement import Quantization, quantize


def stack() -> nn.Module:
    def block() -> nn.Module:
        return nn.ModuleDict({"up": nn.Linear(2, 2), "down": nn.Linear(2, 2)})

    blocks = nn.ModuleList([block() for _ in range(3)])
    return nn.ModuleDict({"blocks": blocks, "head": nn.Linear(2, 2)})


def test_parts_that_keep_their_precision_are_named_at_any_depth(monkeypatch):
    kept: list[str] = []
    monkeypatch.setattr(
        "transformers.integrations.bitsandbytes.replace_with_bnb_linear",
        lambda module, names, config: kept.extend(names),
    )
    monkeypatch.setattr("pixfoundation.models.common.placement.find_spec", lambda name: name)
    model = stack()
    skip = ["down", "head", "ea", "blocks.0"]
    quantize(model, Quantization("8bit"), torch.float32, skip=skip)
    layers = [name for name, part in model.named_modules() if isinstance(part, nn.Linear)]
    left = {name for name in layers if not should_convert_module(name, kept)}
    assert left == {"head", "blocks.0.up", *(f"blocks.{i}.down" for i in range(3))}
