"""Questions about where a thing is: in which half of the picture, and on which side of another."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pixfoundation.datasets.pixscenes.pairs import POSITION, Pair, both, named, order, some
from pixfoundation.datasets.pixscenes.scenes import Scene, Thing


def ask_side(rng: np.random.Generator, scene: Scene) -> Pair | None:
    """Ask for the half of the picture; in the other picture the thing is in the other half."""
    across = rng.random() < 0.5
    index = some(rng, scene, lambda t: (t.column if across else t.row) != 1)
    if index is None:
        return None
    thing = scene.things[index]
    row = thing.row if across else 2 - thing.row
    column = 2 - thing.column if across else thing.column
    name = named(rng, scene, index)
    occupants = [i for i, t in enumerate(scene.things) if (t.row, t.column) == (row, column)]
    changed = (
        _swapped(scene, index, occupants[0])
        if occupants
        else scene.with_thing(index, _moved(thing, row, column))
    )
    low, high = ("Left", "Right") if across else ("Top", "Bottom")
    at_low = (thing.column if across else thing.row) == 0
    options, first = order(rng, low if at_low else high, high if at_low else low)
    where = "on the left or on the right" if across else "at the top or at the bottom"
    return Pair(
        POSITION,
        "side" if across else "height",
        f"Is {name} {where} of the picture?",
        options,
        both(scene, changed, first, name, index),
    )


def ask_relation(rng: np.random.Generator, scene: Scene) -> Pair | None:
    """Ask how one thing lies to another; in the other picture they have changed places."""
    across = rng.random() < 0.5

    def place(thing: Thing) -> int:
        return thing.column if across else thing.row

    index = some(rng, scene, lambda t: any(place(o) != place(t) for o in scene.things))
    if index is None:
        return None
    thing = scene.things[index]
    other = some(rng, scene, lambda o: place(o) != place(thing) and o.kind != thing.kind)
    if other is None:
        return None
    name = named(rng, scene, index)
    landmark = named(rng, scene, other)
    low, high = ("Left", "Right") if across else ("Above", "Below")
    before = place(thing) < place(scene.things[other])
    options, first = order(rng, low if before else high, high if before else low)
    text = (
        f"Is {name} to the left or to the right of {landmark}?"
        if across
        else f"Is {name} above or below {landmark}?"
    )
    return Pair(
        POSITION,
        "left of" if across else "above",
        text,
        options,
        both(scene, _swapped(scene, index, other), first, name, index),
    )


def _moved(thing: Thing, row: int, column: int) -> Thing:
    return replace(thing, row=row, column=column)


def _swapped(scene: Scene, first: int, second: int) -> Scene:
    """Two things change places."""
    a, b = scene.things[first], scene.things[second]
    return scene.with_thing(first, _moved(a, b.row, b.column)).with_thing(
        second, _moved(b, a.row, a.column)
    )
