"""Optimisers of the language side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import nn

Name = Literal["adamw", "muon"]

_ADAMW = {"weight_decay": 0.02, "betas": (0.9, 0.98)}


class MuonWithAdamW:
    """Muon (Jordan et al. 2024) for the matrices of the layers, AdamW for everything else.

    Muon gives rare directions of the gradient the same weight as frequent ones, so that what is
    seldom asked (a door's state) is learned beside what is asked all the time (colours).
    """

    def __init__(self, matrices: list[dict[str, Any]], others: list[dict[str, Any]]) -> None:
        """Make both; arguments are parameter groups."""
        rate = max(group["peak"] for group in matrices)
        self._parts = (
            torch.optim.Muon(
                matrices,
                lr=rate,
                weight_decay=0.02,
                momentum=0.95,
                adjust_lr_fn="match_rms_adamw",
            ),
            torch.optim.AdamW(others, lr=rate, **_ADAMW),
        )

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """The groups of both."""
        return [group for part in self._parts for group in part.param_groups]

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients."""
        for part in self._parts:
            part.zero_grad(set_to_none=set_to_none)

    def step(self) -> None:
        """Change the parameters."""
        for part in self._parts:
            part.step()

    def state_dict(self) -> dict[str, Any]:
        """State of both."""
        return {str(i): part.state_dict() for i, part in enumerate(self._parts)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the state of both."""
        for i, part in enumerate(self._parts):
            part.load_state_dict(state[str(i)])


def make_optimiser(
    name: Name, model: nn.Module, embed: nn.Module, rate: float, patch_rate: float
) -> torch.optim.Optimizer | MuonWithAdamW:
    """The optimiser of a stage; every group holds its peak rate under `peak`.

    Args:
        name: 'adamw' or 'muon'.
        model: language model.
        embed: what makes the patches' vectors.
        rate: peak learning rate of the language model.
        patch_rate: peak learning rate of `embed`.
    """
    patches = {"params": list(embed.parameters()), "peak": patch_rate}
    if name == "adamw":
        groups = [{"params": list(model.parameters()), "peak": rate}, patches]
        return torch.optim.AdamW(groups, lr=rate, **_ADAMW)
    layers = [p for n, p in model.named_parameters() if ".layers." in n and p.ndim == 2]
    rest = [p for p in model.parameters() if all(p is not q for q in layers)]
    return MuonWithAdamW(
        [{"params": layers, "peak": rate}], [{"params": rest, "peak": rate}, patches]
    )


def all_parameters(optimiser: torch.optim.Optimizer | MuonWithAdamW) -> Sequence[nn.Parameter]:
    """Every parameter that an optimiser changes."""
    return [p for group in optimiser.param_groups for p in group["params"]]
