"""How a model or another part is made: here, or in a worker that may be on another machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

from pixfoundation.engines import Engine, InProcess
from pixfoundation.existence import isdir
from pixfoundation.loading import remembered
from pixfoundation.types import Sample

P = TypeVar("P")
P_co = TypeVar("P_co", covariant=True)


@runtime_checkable
class Made(Protocol[P_co]):
    """A way to make a part."""

    def make(self, load: Callable[..., Any]) -> P_co:
        """Return the part.

        Args:
            load: Loads a part by name and options, as `load_model` does.
        """
        ...

    def portable(self, **defaults: Any) -> Made[P_co]:
        """Return how the part is made in another process.

        Args:
            defaults: Options for a part that is loaded there and does not set them itself.
        """
        ...


@runtime_checkable
class NamesFiles(Protocol):
    """A way to make a model that looks at other image files than those of its questions."""

    def files_of(self, sample: Sample) -> Sequence[Path]:
        """Return the files that the model needs for the questions about a sample."""
        ...


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a model or a segmenter is loaded: its name and options.

    Attributes:
        name: A name, a hub id or a folder, as for `load_model`.
        options: Options, as for `load_model`.
    """

    name: str
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def make(self, load: Callable[..., Any]) -> Any:
        """Load the part."""
        return load(self.name, **self.options)

    def portable(self, **defaults: Any) -> Recipe:
        """Return the recipe with a local folder by its absolute path."""
        folder = Path(self.name)
        name = str(folder.resolve()) if isdir(folder) else self.name
        return replace(self, name=name, options={**defaults, **self.options})


@dataclass(frozen=True, slots=True, eq=False)
class Ready(Generic[P]):
    """A part that is there; another process gets a copy of it.

    Attributes:
        part: The part.
    """

    part: P

    def make(self, load: Callable[..., Any]) -> P:
        """Return the part."""
        return self.part

    def portable(self, **defaults: Any) -> Made[P]:
        """Return by what name the part is loaded there, if it was loaded by one; else itself."""
        loaded = remembered(self.part)
        return self if loaded is None else Recipe(*loaded).portable(**defaults)


def recipe_of(part: P | str | Made[P]) -> Made[P]:
    """Return how a part is made in this process: a part that is there, or one by its name."""
    if isinstance(part, str):
        return Recipe(part)
    return part if isinstance(part, Made) else Ready(part)


def made_by(engine: Engine, part: P | str | Made[P], *, placed: bool = False) -> Made[P]:
    """Return how the workers of an engine make a part.

    Args:
        engine: The engine.
        part: The part, its name, or how it is made.
        placed: Whether the part goes to the device that the engine chooses.
    """
    made = recipe_of(part)
    if isinstance(engine, InProcess):
        return made
    device = engine.device if placed else None
    return made.portable() if device is None else made.portable(device=device)
