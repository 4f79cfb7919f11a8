"""What a pair is, and what every kind of question needs to make one.

The nine visual patterns carry the names of MMVP (Tong et al., 2024); the questions, options and
referring expressions follow the form of MMVP and PixMMVP.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from pixfoundation.datasets.pixscenes.scenes import Scene, Thing

T = TypeVar("T")

PRESENCE = "Presence of Specific Features"
POSITION = "Positional and Relational Context"
STATE = "State and Condition"
COLOUR = "Color and Appearance"
VIEW = "Viewpoint and Perspective"
COUNT = "Quantity and Count"
ORIENTATION = "Orientation and Direction"
STRUCTURE = "Structural and Physical Characteristics"
TEXT = "Text"

SHARE_NAMED_BY_COLOUR = 0.35


@dataclass(frozen=True)
class Target:
    """What a referring expression names: a thing, or a part of one.

    Attributes:
        thing: index of the thing in its scene.
        part: name of the part, or None for the whole thing.
    """

    thing: int
    part: str | None = None


@dataclass(frozen=True)
class Side:
    """One picture of a pair.

    Attributes:
        scene: what is drawn.
        answer: index of the right option, 0 or 1.
        expression: referring expression, or None if nothing is to be found.
        target: what the expression names; None if that is absent from the picture.
        about: index of the thing that the question is about, None if it is absent.
    """

    scene: Scene
    answer: int
    expression: str | None
    target: Target | None
    about: int | None


@dataclass(frozen=True)
class Pair:
    """A question with opposite answers on two pictures.

    Attributes:
        pattern: visual pattern, as named in MMVP.
        topic: what exactly is asked ('door', 'colour', 'number' ...).
        question: its text.
        options: two texts, in the order of the letters.
        sides: the two pictures.
    """

    pattern: str
    topic: str
    question: str
    options: tuple[str, str]
    sides: tuple[Side, Side]


Asker = Callable[[np.random.Generator, Scene], "Pair | None"]
"""Asks something about a scene; None if there is nothing of the kind to ask."""


def refer(scene: Scene, index: int, *, colour: bool) -> str:
    """Return 'the fish' or 'the red fish'; an ambiguous kind is always named with its colour."""
    thing = scene.things[index]
    if colour or len(scene.of_kind(thing.kind)) > 1:
        return f"the {thing.colour} {thing.kind}"
    return f"the {thing.kind}"


def named(rng: np.random.Generator, scene: Scene, index: int) -> str:
    """How a question names a thing: now and then by its colour, though the kind would do."""
    return refer(scene, index, colour=rng.random() < SHARE_NAMED_BY_COLOUR)


def both(scene: Scene, changed: Scene, first: int, name: str, index: int) -> tuple[Side, Side]:
    """Return the sides of a question about a thing that is in both pictures.

    Args:
        scene: The one picture.
        changed: The other.
        first: Index of the right option in the one.
        name: What the thing is called.
        index: Index of the thing in the scene.
    """
    return (
        Side(scene, first, name, Target(index), index),
        Side(changed, 1 - first, name, Target(index), index),
    )


def pick(rng: np.random.Generator, values: Sequence[T]) -> T:
    """One of some values, all equally likely."""
    return values[int(rng.integers(len(values)))]


def order(rng: np.random.Generator, first: str, second: str) -> tuple[tuple[str, str], int]:
    """Options in random order, and the index of `first`."""
    return ((first, second), 0) if rng.random() < 0.5 else ((second, first), 1)


def some(rng: np.random.Generator, scene: Scene, allowed: Callable[[Thing], bool]) -> int | None:
    """Return a random thing that is allowed, or None."""
    indices = tuple(i for i, thing in enumerate(scene.things) if allowed(thing))
    return pick(rng, indices) if indices else None
