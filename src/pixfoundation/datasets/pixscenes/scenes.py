"""What a PixScenes picture contains: frozen descriptions of things, and how they are sampled.

A scene is a small set of things on a 3 x 3 layout over a background. Every thing has a kind,
a colour, a size, a place and a few *traits* (a door that is open, a fish that faces left).
The description is the ground truth: pictures, masks, questions and answers all derive from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

CANVAS = 160
"""Side of the square picture in pixels."""

GRID = 3
"""Things sit on a GRID x GRID layout, at most one per cell, so that they never overlap."""

COLOURS: tuple[str, ...] = (
    "red",
    "orange",
    "yellow",
    "green",
    "blue",
    "purple",
    "pink",
    "white",
)
SIZES: tuple[str, ...] = ("small", "large")
RADIUS: Mapping[str, float] = {"small": 17.0, "large": 23.5}
"""Half the side of a thing's box in pixels, by size."""

BACKGROUNDS: tuple[str, ...] = ("meadow", "sea", "room", "desert", "snow", "evening")
CHARACTERS: tuple[str, ...] = ("H", "K", "L", "T", "X", "4", "5", "7")
"""What can be written on a sign; none of them is an option letter."""


@dataclass(frozen=True)
class KindSpec:
    """What a kind of thing can look like.

    Attributes:
        traits: values of each trait by trait name.
        parts: names of the parts that may get a mask of their own.
    """

    traits: Mapping[str, tuple[str, ...]]
    parts: tuple[str, ...]


KINDS: Mapping[str, KindSpec] = {
    "house": KindSpec(
        {"door": ("open", "closed"), "roof": ("pointed", "flat"), "chimney": ("yes", "no")},
        ("roof", "door", "window", "chimney"),
    ),
    "car": KindSpec({"facing": ("left", "right"), "view": ("side", "front")}, ("wheels", "window")),
    "fish": KindSpec({"facing": ("left", "right"), "stripes": ("yes", "no")}, ("tail",)),
    "butterfly": KindSpec({"wings": ("open", "closed")}, ("wings",)),
    "tree": KindSpec({"crown": ("round", "pointed"), "fruit": ("yes", "no")}, ("crown", "trunk")),
    "umbrella": KindSpec({"canopy": ("open", "closed")}, ("handle",)),
    "cup": KindSpec(
        {
            "handle": ("left", "right"),
            "view": ("side", "above"),
            "content": ("full", "empty"),
        },
        ("handle",),
    ),
    "lamp": KindSpec({"light": ("on", "off")}, ("shade", "base")),
    "sign": KindSpec({"text": CHARACTERS, "board": ("round", "square")}, ("board", "pole")),
    "ball": KindSpec({"surface": ("striped", "plain")}, ()),
    "boat": KindSpec(
        {"sail": ("raised", "lowered"), "flag": ("yes", "no")}, ("hull", "sail", "flag")
    ),
    "bird": KindSpec({"facing": ("left", "right"), "wings": ("raised", "folded")}, ("wing",)),
    "flower": KindSpec({"petals": ("round", "pointed"), "leaf": ("yes", "no")}, ("petals", "stem")),
}


@dataclass(frozen=True)
class Thing:
    """One thing of a scene.

    Attributes:
        kind: a key of `KINDS`.
        colour: one of `COLOURS`.
        size: one of `SIZES`.
        row: row of the layout, 0 (top) to 2.
        column: column of the layout, 0 (left) to 2.
        dx: offset of the centre from the middle of its cell, pixels to the right.
        dy: offset of the centre from the middle of its cell, pixels downwards.
        angle: rotation in degrees, clockwise.
        traits: (name, value) pairs, one for each trait of the kind.
    """

    kind: str
    colour: str
    size: str
    row: int
    column: int
    dx: float
    dy: float
    angle: float
    traits: tuple[tuple[str, str], ...]

    def trait(self, name: str) -> str | None:
        """Return the value of a trait, or None if the thing has none or it cannot be seen."""
        values = dict(self.traits)
        if name == "facing" and values.get("view") == "front":
            return None
        return values.get(name)

    def with_trait(self, name: str, value: str) -> Thing:
        """Return a copy in which one trait has another value."""
        return replace(self, traits=tuple((n, value if n == name else v) for n, v in self.traits))

    @property
    def radius(self) -> float:
        """Half the side of the box in pixels."""
        return RADIUS[self.size]

    @property
    def centre(self) -> tuple[float, float]:
        """Centre (x, y) in pixels."""
        cell = CANVAS / GRID
        return (self.column + 0.5) * cell + self.dx, (self.row + 0.5) * cell + self.dy


@dataclass(frozen=True)
class Scene:
    """A picture's description.

    Attributes:
        background: one of `BACKGROUNDS`.
        texture: seed of the small variations of the background.
        things: what the scene contains, in drawing order.
    """

    background: str
    texture: int
    things: tuple[Thing, ...]

    def with_thing(self, index: int, thing: Thing) -> Scene:
        """Return a copy in which one thing is replaced."""
        things = list(self.things)
        things[index] = thing
        return replace(self, things=tuple(things))

    def without(self, index: int) -> Scene:
        """Return a copy that lacks one thing."""
        return replace(self, things=self.things[:index] + self.things[index + 1 :])

    def of_kind(self, kind: str) -> tuple[int, ...]:
        """Return the indices of the things of a kind."""
        return tuple(i for i, thing in enumerate(self.things) if thing.kind == kind)

    def free_cells(self) -> tuple[tuple[int, int], ...]:
        """Cells (row, column) of the layout that hold nothing."""
        taken = {(thing.row, thing.column) for thing in self.things}
        return tuple((r, c) for r in range(GRID) for c in range(GRID) if (r, c) not in taken)


def _choice(rng: np.random.Generator, values: tuple[str, ...]) -> str:
    return values[int(rng.integers(len(values)))]


def sample_thing(
    rng: np.random.Generator,
    cell: tuple[int, int],
    *,
    kind: str | None = None,
    colour: str | None = None,
) -> Thing:
    """Draw a thing at random.

    Args:
        rng: source of randomness.
        cell: (row, column) of the layout.
        kind: fixed kind, or None for any.
        colour: fixed colour, or None for any.
    """
    kind = kind or _choice(rng, tuple(KINDS))
    colour = colour or _choice(rng, COLOURS)
    size = _choice(rng, SIZES)
    slack = CANVAS / GRID / 2 - RADIUS[size] - 0.5
    dx, dy = rng.uniform(-slack, slack, size=2)
    return Thing(
        kind=kind,
        colour=colour,
        size=size,
        row=cell[0],
        column=cell[1],
        dx=round(float(dx), 2),
        dy=round(float(dy), 2),
        angle=round(float(rng.uniform(-6, 6)), 2),
        traits=tuple((name, _choice(rng, values)) for name, values in KINDS[kind].traits.items()),
    )


def sample_scene(
    rng: np.random.Generator,
    *,
    count: int | None = None,
    kinds: tuple[str, ...] = (),
    repeat: float = 0.15,
) -> Scene:
    """Draw a scene at random.

    No two things of a scene share both kind and colour, so 'the red fish' is never ambiguous.

    Args:
        rng: source of randomness.
        count: number of things; None draws 4 to 7.
        kinds: kinds of the first things; the others are drawn.
        repeat: chance for each drawn thing that it repeats a kind that is there already;
            otherwise it is of a new kind.

    Returns:
        A scene with `count` things in distinct cells.
    """
    count = int(rng.integers(4, 8)) if count is None else count
    cells = [divmod(int(i), GRID) for i in rng.permutation(GRID * GRID)[:count]]
    things: list[Thing] = []
    for index, cell in enumerate(cells):
        if index < len(kinds):
            kind = kinds[index]
        else:
            present = sorted({thing.kind for thing in things})
            absent = [k for k in KINDS if k not in present and k not in kinds]
            again = bool(present) and rng.random() < repeat
            kind = _choice(rng, tuple(present if again else absent))
        used = {thing.colour for thing in things if thing.kind == kind}
        colour = _choice(rng, tuple(c for c in COLOURS if c not in used))
        things.append(sample_thing(rng, cell, kind=kind, colour=colour))
    return Scene(
        background=_choice(rng, BACKGROUNDS),
        texture=int(rng.integers(2**31)),
        things=tuple(things),
    )
