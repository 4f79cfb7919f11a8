"""Trains the projector alone, so that what few patches tell is written as clearly as the rest.

Along with the tower the projector learns to write what is common: a character stands on 3 patches
in a thousand, the handle of a cup on fewer, and the squared error hardly feels them. Here a patch
counts the more, the rarer its rarest symbol is. The tower is frozen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from recipes.checkpoints import load_checkpoint, save_checkpoint
from recipes.features import aligned
from recipes.scene_store import SceneStore
from recipes.symbolic import SymbolTable
from recipes.tower import Projector, cosine

_COUNTED = 2_000
"""Scenes that tell how common a symbol is."""


@dataclass(frozen=True)
class ProjectorConfig:
    """Schedule of the projector's own training.

    Attributes:
        steps: number of steps.
        batch: pictures per batch.
        rate: peak learning rate.
        warmup: steps of linear warm-up.
        common: share of patches from which on a symbol is common: its patches have the weight 1,
            those of a symbol half as common the weight 2.
        most: largest weight of a patch.
        seed: of the order of the pictures.
    """

    steps: int = 3_000
    batch: int = 64
    rate: float = 1.5e-3
    warmup: int = 50
    common: float = 0.01
    most: float = 40.0
    seed: int = 0


def symbol_weights(symbols: Tensor, config: ProjectorConfig) -> Tensor:
    """Return the weight of every symbol [SYMBOLS], the greater the fewer patches have it.

    Args:
        symbols: [..., SYMBOLS], of many patches.
        config: what counts as common, and the largest weight.
    """
    shares = symbols.flatten(0, -2).mean(dim=0)
    return (config.common / shares.clamp(min=1e-9)).clamp(1, config.most)


def refine_projector(
    config: ProjectorConfig,
    projector: Projector,
    table: SymbolTable,
    store: SceneStore,
    features: np.ndarray,
    checkpoint: Path,
    *,
    log: Callable[[str], None] = print,
    every: int = 500,
) -> None:
    """Train the projector in place, continuing from the checkpoint if there is one.

    Args:
        config: the schedule.
        projector: as the tower's training has left it.
        table: vectors of the symbols, which it learns to write.
        store: labels of the pictures.
        features: float16 [N, PATCHES, width], the frozen tower's features of the same pictures.
        checkpoint: file that the state is written to and read from.
        log: receives progress lines.
        every: steps between checkpoints.
    """
    optimiser = torch.optim.AdamW(projector.parameters(), lr=config.rate, weight_decay=0.01)
    start = load_checkpoint(checkpoint, optimiser, projector=projector)
    weights = symbol_weights(store.symbols(np.arange(min(_COUNTED, len(store)))), config)
    for step in range(start, config.steps):
        rng = np.random.default_rng([config.seed, 3, step])
        rows = np.sort(rng.choice(len(store), size=min(config.batch, len(store)), replace=False))
        symbols = store.symbols(rows)
        errors = (projector(aligned(features[rows])) - table(symbols)).square().mean(dim=-1)
        loss = (errors * (symbols * weights).amax(dim=-1)).mean()
        for group in optimiser.param_groups:
            group["lr"] = config.rate * cosine(step, config.warmup, config.steps)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        if (step + 1) % every == 0 or step + 1 == config.steps:
            save_checkpoint(checkpoint, step + 1, optimiser, projector=projector)
            log(f"projector {step + 1}/{config.steps} error {float(loss.detach()):.5f}")
