"""Parts of a port at the real size of their input: float32 against float64, by threads.

Norms over a whole map lose precision on the CPU with some memory layouts, by an amount that grows
with the map; small inputs do not show it.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import TypeVar

import pytest
import torch
from torch import Tensor, nn

BOTH_THREADS = pytest.mark.parametrize("threads", [1, 2])
M = TypeVar("M", bound=nn.Module)


def drawn(module: M, seed: int = 0) -> M:
    """Draw weights whose layers keep the scale of what passes through them."""
    generator = torch.Generator().manual_seed(seed)
    for weight in module.parameters():
        if weight.dim() > 1:
            nn.init.normal_(weight, std=weight[0].numel() ** -0.5, generator=generator)
    return module.eval()


def picture(side: int, seed: int = 1) -> Tensor:
    """Return noise around a mean other than zero, float32 [1, 3, side, side]."""
    return torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(seed)) + 1


@torch.inference_mode()
def greatest_error(
    module: M, run: Callable[[M, Tensor], Sequence[Tensor]], pixels: Tensor, threads: int
) -> float:
    """Return the greatest difference to the same module in float64, as a share of the values."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        found = run(module, pixels)
        exact = run(copy.deepcopy(module).double(), pixels.double())
    finally:
        torch.set_num_threads(before)
    assert all(one.dtype == torch.float32 for one in found)
    return max(
        float((one - other).abs().max() / other.abs().max())
        for one, other in zip(found, exact, strict=True)
    )
