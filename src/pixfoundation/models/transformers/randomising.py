"""Replaces weights of a model of transformers by random ones, and restores them."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from pixfoundation.errors import RunError

MARK = "_is_hf_initialized"
"""Attribute by which transformers knows what it need not initialise."""


def draw_weights(model: Any, layers: int | None, seed: int) -> dict[Tensor, Tensor]:
    """Replace weights by those of the architecture's own initialisation.

    Args:
        model: A model of transformers whose weights are floating-point numbers.
        layers: Number of decoder layers from the top down; None for all weights of the model, the
            vision tower and the embeddings included.
        seed: Seed of the weights.

    Returns:
        The former values of the weights that were replaced, on the CPU, by weight.

    Raises:
        RunError: If the weights are quantised, the layers cannot be stacks, there are fewer, or the
            architecture has no initialisation for some of the weights.
    """
    chosen = [model] if layers is None else _top_layers(model, layers)
    modules = {id(each) for root in chosen for each in root.modules()}
    weights = {id(p): p for root in chosen for p in root.parameters()}
    names = {id(p): name for name, p in model.named_parameters()}
    if any(not p.is_floating_point() for p in weights.values()):
        raise RunError(
            "The weights are quantised, and whole numbers cannot be drawn anew. Load the model "
            "without the model option `quantization`."
        )
    kept = {p: p.detach().to("cpu", copy=True) for p in weights.values()}
    try:
        _initialise(model, modules, weights, seed)
        unchanged = [
            names[id(p)]
            for p, former in kept.items()
            if p.ndim > 1 and p.any() and torch.equal(p.detach().cpu(), former)
        ]
        if unchanged:
            raise RunError(
                f"{type(model).__name__} has no initialisation for {len(unchanged)} of its "
                f"weights, such as {unchanged[0]}: a control with them would not be random."
            )
    except BaseException:
        _restore(kept)
        raise
    return kept


@contextmanager
def random_weights(model: Any, layers: int | None, seed: int) -> Generator[None, None, None]:
    """Replace weights as `draw_weights` does, and restore them when the block ends."""
    kept = draw_weights(model, layers, seed)
    try:
        yield
    finally:
        _restore(kept)


def _restore(kept: dict[Tensor, Tensor]) -> None:
    with torch.no_grad():
        for weight, former in kept.items():
            weight.copy_(former)


def _initialise(model: Any, modules: set[int], weights: dict[int, Tensor], seed: int) -> None:
    """Initialise the chosen modules by transformers, which skips what is marked as initialised."""
    marked: list[Any] = [*model.modules(), *model.parameters(), *model.buffers()]
    before = [getattr(each, MARK, None) for each in marked]
    for each in marked:
        is_chosen = id(each) in (modules if isinstance(each, nn.Module) else weights)
        setattr(each, MARK, not is_chosen)
    devices = [model.device] if model.device.type == "cuda" else []
    try:
        with torch.random.fork_rng(devices), torch.no_grad():
            torch.manual_seed(seed)
            model.initialize_weights()
    finally:
        for each, flag in zip(marked, before, strict=True):
            if flag is None:
                delattr(each, MARK)
            else:
                setattr(each, MARK, flag)


def _top_layers(model: Any, count: int) -> list[Any]:
    depth = model.config.get_text_config().num_hidden_layers
    stacks = [
        each
        for each in model.get_decoder().modules()
        if isinstance(each, nn.ModuleList) and len(each) == depth
    ]
    if not stacks or not 1 <= count <= depth:
        raise RunError(
            f"Expected 1 to {depth} decoder layers of {type(model).__name__}, but {count} cannot "
            "be chosen."
        )
    return list(stacks[0][depth - count :])
