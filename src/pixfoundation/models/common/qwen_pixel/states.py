"""States of a language model at its final norm, kept while it runs.

`hidden_states` of transformers mean different things in different classes and versions, and keep
every layer of every step. A hook on the final norm takes the states of the last layer as a family
reads them: before or after that norm.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from enum import StrEnum
from types import TracebackType
from typing import Any

import torch
from torch import Tensor, nn


class NormSide(StrEnum):
    """Whether a state is read before or after the final norm."""

    BEFORE = "before"
    AFTER = "after"


class StateRecorder(AbstractContextManager["StateRecorder"]):
    """Keeps the states of the forward passes within its `with` block."""

    def __init__(self, norm: nn.Module, side: NormSide, *, last_only: bool = True) -> None:
        """Prepare a recorder.

        Args:
            norm: The final norm of the language model.
            side: Which side of it is kept.
            last_only: Whether only the last position of each forward pass is kept: while
                generating, the state that emits the next token.
        """
        self._norm = norm
        self._side = side
        self._last_only = last_only
        self._steps: list[Tensor] = []

    def __enter__(self) -> StateRecorder:
        self._handle = self._norm.register_forward_hook(self._keep)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._handle.remove()

    def states(self) -> Tensor:
        """Return the states [batch, positions, width] of all forward passes, in order."""
        return torch.cat(self._steps, dim=1)

    def _keep(self, module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
        states: Tensor = output if self._side is NormSide.AFTER else inputs[0]
        self._steps.append(states[:, -1:].clone() if self._last_only else states)
