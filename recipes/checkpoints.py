"""Training state on disk: written whole or not at all, read without running code from the file."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from torch import nn


def save_checkpoint(
    path: Path, step: int, optimiser: torch.optim.Optimizer, **modules: nn.Module
) -> None:
    """Write modules, optimiser and the number of steps done."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    state = {name: module.state_dict() for name, module in modules.items()}
    torch.save({"step": step, "optimiser": optimiser.state_dict(), "modules": state}, partial)
    os.replace(partial, path)


def load_checkpoint(
    path: Path, optimiser: torch.optim.Optimizer | None = None, **modules: nn.Module
) -> int:
    """Restore what `save_checkpoint` wrote.

    Returns:
        Number of steps done; 0 if there is no such file.
    """
    if not path.exists():
        return 0
    state = torch.load(path, weights_only=True)
    for name, module in modules.items():
        module.load_state_dict(state["modules"][name])
    if optimiser is not None:
        optimiser.load_state_dict(state["optimiser"])
    return int(state["step"])
