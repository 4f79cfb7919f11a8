"""The interface of readings, and their registry.

A reading turns one forward pass over a prompt and its answer into one map per phrase. It looks at
the pass through an observer, so that several readings share one pass and no attention matrix is
kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pixfoundation.errors import DataError, PrerequisiteError, UnknownNameError
from pixfoundation.forward import Forward, Need, Observer
from pixfoundation.geometry import GridFrame
from pixfoundation.registry import Registry
from pixfoundation.typed_options import read_options

if TYPE_CHECKING:
    from torch import Tensor

Maps = NDArray[np.float32]
Heads = Sequence[int] | Mapping[int, Sequence[int]] | None
"""Indices of query heads for all layers, or by layer; None for all."""

GENERAL_PROMPT = (
    "Write a general description of the image. Answer the question using a single word or phrase."
)
"""The generic prompt of relative attention (arXiv 2502.17422)."""


class PhraseObserver(Observer, Protocol):
    """The observer of a reading, which gives the maps when the pass is over."""

    def maps(self) -> Maps:
        """Return the map of each phrase, float32 [phrases, grid rows, grid columns]."""
        ...


class Reading(Protocol):
    """Turns a forward pass into one map per phrase."""

    @property
    def name(self) -> str:
        """The name that it was loaded by."""
        ...

    @property
    def needs(self) -> frozenset[Need]:
        """What it asks of the forward pass."""
        ...

    def observe(self, forward: Forward, phrases: Sequence[Sequence[int]]) -> PhraseObserver:
        """Return an observer of one pass.

        Args:
            forward: The pass, which has not run yet.
            phrases: For each phrase the indices of its tokens in the answer; none is empty.

        Raises:
            DataError: If an option does not fit the model.
        """
        ...

    def settings(self) -> dict[str, Any]:
        """Return the options, as JSON data for the run's record."""
        ...


ReadingFactory = Callable[..., Reading]
"""`factory(**options) -> Reading`."""

readings: Registry[ReadingFactory] = Registry("reading", group="pixfoundation.readings")


def origin_of(name: str) -> str | None:
    """Return the module that brings a plug-in's reading; None for one of this package."""
    origin = readings.entry(name).origin if name in readings else ""
    return None if origin.partition(".")[0] in ("", "pixfoundation") else origin


def require_reading(name: str, origin: str | None) -> ReadingFactory:
    """Return the factory of the reading that made the maps of a run.

    Args:
        name: Its name.
        origin: The module that brought it, as the run records it; None if it does not.

    Raises:
        PrerequisiteError: If it is not installed any more.
    """
    try:
        return readings.get(name)
    except UnknownNameError as error:
        module = "" if origin is None else f" of the module {origin!r}"
        raise PrerequisiteError(
            f"The maps of this run were made by the reading {name!r}{module}, which no installed "
            f"package announces in the entry-point group {readings.group!r}: install it again to "
            "make maps anew. What reads the run's files alone works without it: `score`, "
            "`emergence`, `claims`, `stability`, `report`, and `--show`."
        ) from error


def recorded_reading(settings: Mapping[str, Any], origin: str | None = None) -> Reading:
    """Return a reading as the record of a run describes it.

    Args:
        settings: Its name as `reading`, and its `settings()`.
        origin: The module that brought it; None if it is not recorded.

    Raises:
        DataError: If an option is not one of the reading's.
        PrerequisiteError: If there is no such reading any more.
    """
    options = dict(settings)
    factory = require_reading(str(options.pop("reading")), origin)
    return factory(**read_options("The recorded reading", factory, options))


def read_maps(
    chosen: Sequence[Reading], forward: Forward, phrases: Sequence[Sequence[int]]
) -> list[Maps]:
    """Return the maps of several readings from one pass.

    Args:
        chosen: The readings.
        forward: The pass.
        phrases: For each phrase the indices of its tokens in the answer; none is empty.

    Returns:
        For each reading float32 [phrases, grid rows, grid columns].
    """
    observers = [reading.observe(forward, phrases) for reading in chosen]
    if any(each.queries is not None or each.wants_states for each in observers):
        forward.run(observers)
    return [observer.maps() for observer in observers]


class Silent:
    """An observer that sees nothing: the base of those that see a part."""

    queries: range | None = None
    wants_states: bool = False

    def attend(self, layer: int, first: int, weights: Tensor) -> None:
        """Look at nothing."""

    def state(self, layer: int, states: Tensor) -> None:
        """Look at nothing."""


def emitting(forward: Forward) -> range:
    """Return the positions of the queries that emitted the answer's tokens."""
    first = forward.prompt_length - 1
    return range(first, first + len(forward.token_ids))


def on_grid(cells: Tensor, frame: GridFrame) -> Maps:
    """Lay out cells, float [maps, cells], on the grid: float32 [maps, rows, columns]."""
    return cells.detach().float().cpu().numpy().reshape(-1, frame.rows, frame.columns)


def chosen_layers(layers: Sequence[int] | None, depth: int) -> list[int]:
    """Return indices of layers from 0; all of them for None.

    Raises:
        DataError: If there is no such layer.
    """
    return list(range(depth)) if layers is None else [_index(i, depth, "layer") for i in layers]


def chosen_heads(heads: Heads, layer: int, depth: int, count: int) -> list[int]:
    """Return the indices of the chosen query heads of a layer.

    Args:
        heads: Heads for all layers, or by layer; None for all.
        layer: Index of the layer.
        depth: Number of layers.
        count: Number of heads.

    Raises:
        DataError: If there is no such layer or head.
    """
    if isinstance(heads, Mapping):
        heads = {_index(key, depth, "layer"): own for key, own in heads.items()}.get(layer, ())
    return list(range(count)) if heads is None else [_index(i, count, "head") for i in heads]


def _index(index: int, size: int, kind: str) -> int:
    if not -size <= index < size:
        raise DataError(
            f"There is no {kind} {index}: the model has {size} {kind}s, from 0 to {size - 1}."
        )
    return index % size
