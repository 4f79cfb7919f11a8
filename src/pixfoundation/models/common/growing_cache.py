"""Keys and values that are written into room kept for them, instead of copied at every token.

A layer of transformers' `DynamicCache` joins old and new keys by a copy of all of them. With an
image in the prompt and several questions at once, these copies take more time than the layers
themselves. The layers here hold the same tensors with room behind them, and write new tokens there.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import DynamicCache, DynamicLayer

ROOM = 64
"""Tokens for which a layer takes room at a time, and an eighth of what it holds."""


class GrowingLayer(DynamicLayer):
    """Keys and values of a layer, [batch, key heads, length, dim], with room behind them."""

    def __init__(self) -> None:
        super().__init__()
        self._rooms: list[Tensor] = []  # keys, values; their first tokens are `keys` and `values`
        self._held: tuple[Tensor | None, Tensor | None] = (None, None)

    @classmethod
    def of(cls, keys: Tensor, values: Tensor, copies: int) -> GrowingLayer:
        """Return a layer that holds keys and values of a batch of one for several sequences.

        Args:
            keys: [1, key heads, length, dim].
            values: [1, key heads, length, dim].
            copies: Number of sequences.
        """
        layer = cls()
        layer.lazy_initialization(keys, values)
        layer.keys = keys.expand(copies, -1, -1, -1)
        layer.values = values.expand(copies, -1, -1, -1)
        return layer

    def __copy__(self) -> GrowingLayer:
        """Return a layer with the same tokens that writes into room of its own."""
        new = type(self)()
        vars(new).update(vars(self), _rooms=[], _held=(None, None))
        return new

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        """Add tokens; return all of them, see `DynamicLayer`."""
        if torch.is_grad_enabled() and (key_states.requires_grad or value_states.requires_grad):
            return super().update(key_states, value_states, *args, **kwargs)
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        length = self.get_seq_length()
        end = length + key_states.shape[-2]
        # Whoever cropped or repeated the tensors has put others in the place of these.
        own = self.keys is self._held[0] and self.values is self._held[1]
        if not own or end > self._rooms[0].shape[-2]:
            old: Any = (self.keys, self.values)
            self._rooms = [
                _with_room(kept, new, length, end)
                for kept, new in zip(old, (key_states, value_states), strict=True)
            ]
        for room, new in zip(self._rooms, (key_states, value_states), strict=True):
            room[..., length:end, :] = new
        self.keys, self.values = (room[..., :end, :] for room in self._rooms)
        self._held = (self.keys, self.values)
        return self.keys, self.values


def _with_room(kept: Tensor, new: Tensor, length: int, end: int) -> Tensor:
    """Return a tensor with room for tokens after `end`, and the first `length` copied into it."""
    room = new.new_empty((*new.shape[:-2], end + max(ROOM, end // 8), new.shape[-1]))
    if length:
        room[..., :length, :] = kept
    return room


def growing_cache(config: Any) -> DynamicCache:
    """Return an empty cache for a model; layers with windows or states stay those of transformers.

    Args:
        config: The configuration of the model.
    """
    return let_grow(DynamicCache(config=config))


def let_grow(cache: DynamicCache, copies: int = 1) -> DynamicCache:
    """Return a cache with the same tokens, once for each of some sequences, that grows by writing.

    Args:
        cache: Keys and values of a batch of one; it stays as it is.
        copies: Number of sequences.
    """
    grown = copy.copy(cache)
    grown.layers = [_let_grow(layer, copies) for layer in cache.layers]
    return grown


def _let_grow(layer: Any, copies: int) -> Any:
    kind: Any = type(layer)
    if kind is DynamicLayer:
        if layer.get_seq_length():
            return GrowingLayer.of(layer.keys, layer.values, copies)
        return GrowingLayer()
    new = copy.copy(layer)
    if copies > 1:
        new.batch_repeat_interleave(copies)
    return new
