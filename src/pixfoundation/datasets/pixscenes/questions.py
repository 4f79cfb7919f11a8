"""MMVP-style pairs: one question, two options, two pictures that differ in just that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from pixfoundation.datasets.pixscenes.language import NUMBERS, PLURALS
from pixfoundation.datasets.pixscenes.pairs import (
    COLOUR,
    COUNT,
    ORIENTATION,
    POSITION,
    PRESENCE,
    STATE,
    STRUCTURE,
    TEXT,
    VIEW,
    Asker,
    Pair,
    Side,
    Target,
    both,
    named,
    order,
    pick,
    refer,
    some,
)
from pixfoundation.datasets.pixscenes.positions import ask_relation, ask_side
from pixfoundation.datasets.pixscenes.scenes import (
    CHARACTERS,
    COLOURS,
    KINDS,
    Scene,
    Thing,
    sample_scene,
    sample_thing,
)
from pixfoundation.datasets.pixscenes.traits import TRAIT_QUESTIONS, TraitQuestion, ask_trait


def ask_presence(rng: np.random.Generator, scene: Scene) -> Pair | None:
    """Ask for a kind of thing; in the other picture something else stands in its place."""
    index = some(rng, scene, lambda thing: len(scene.of_kind(thing.kind)) == 1)
    if index is None:
        return None
    other = _stand_in(rng, scene, scene.things[index])
    return _presence_pair(rng, scene, scene.with_thing(index, other), index)


def ask_absent(rng: np.random.Generator, scene: Scene) -> Pair:
    """Ask for a kind of thing that the picture lacks; the other picture has it."""
    index = int(rng.integers(len(scene.things)))
    present = scene.with_thing(index, _stand_in(rng, scene, scene.things[index]))
    return _presence_pair(rng, present, scene, index)


def _presence_pair(rng: np.random.Generator, scene: Scene, without: Scene, index: int) -> Pair:
    """Return the question whether there is a kind of thing, of which only one picture has one.

    Args:
        rng: source of randomness.
        scene: the picture that has the thing.
        without: the picture that has nothing of its kind.
        index: the thing, as an index into the things of `scene`.
    """
    kind = scene.things[index].kind
    options, first = order(rng, "Yes", "No")
    expression = None if rng.random() < 0.08 else f"the {kind}"
    present = Side(scene, first, expression, Target(index) if expression else None, index)
    gone = Side(without, 1 - first, expression, None, None)
    article = "an" if kind[0] in "aeiou" else "a"
    question = f"Is there {article} {kind} in the picture?"
    sides = (present, gone) if rng.random() < 0.5 else (gone, present)
    return Pair(PRESENCE, "thing", question, options, sides)


def ask_colour(rng: np.random.Generator, scene: Scene) -> Pair | None:
    """Ask for the colour; the other picture shows the thing in the other one."""
    index = some(rng, scene, lambda thing: len(scene.of_kind(thing.kind)) == 1)
    if index is None:
        return None
    thing = scene.things[index]
    other = pick(rng, tuple(c for c in COLOURS if c != thing.colour))
    options, first = order(rng, thing.colour.capitalize(), other.capitalize())
    name = refer(scene, index, colour=False)
    changed = scene.with_thing(index, replace(thing, colour=other))
    return Pair(
        COLOUR,
        "colour",
        f"What color is {name}?",
        options,
        both(scene, changed, first, name, index),
    )


def ask_number(rng: np.random.Generator, scene: Scene) -> Pair | None:
    """Ask how many of a kind there are; the other picture has one less."""
    kinds = tuple(k for k in KINDS if 2 <= len(scene.of_kind(k)) <= 4)
    if not kinds or len(scene.things) < 4:
        return None
    kind = pick(rng, kinds)
    members = scene.of_kind(kind)
    leaves, stays = (int(i) for i in rng.permutation(members)[:2])
    other = _stand_in(rng, scene, scene.things[leaves])
    return _number_pair(rng, scene, scene.with_thing(leaves, other), stays)


def ask_fewer(rng: np.random.Generator, scene: Scene) -> Pair | None:
    """Ask how many of a kind there are; the other picture has one more."""
    kinds = tuple(k for k in KINDS if 1 <= len(scene.of_kind(k)) <= 3)
    if len(scene.things) < 4 or not kinds:
        return None
    repeated = tuple(k for k in kinds if len(scene.of_kind(k)) > 1)
    kind = pick(rng, repeated if repeated and rng.random() < 0.5 else kinds)
    members = scene.of_kind(kind)
    comes = pick(rng, tuple(i for i in range(len(scene.things)) if i not in members))
    place = scene.things[comes]
    used = {scene.things[i].colour for i in members}
    colour = pick(rng, tuple(c for c in COLOURS if c not in used))
    new = sample_thing(rng, (place.row, place.column), kind=kind, colour=colour)
    more = scene.with_thing(comes, _placed(new, place))
    return _number_pair(rng, more, scene, pick(rng, members))


def _number_pair(rng: np.random.Generator, scene: Scene, fewer: Scene, stays: int) -> Pair:
    """Return the question how many of a kind there are, of which one picture has one less.

    Args:
        rng: source of randomness.
        scene: the picture that has more.
        fewer: the picture that has one less.
        stays: a thing of the kind that is in both, as an index into the things of both.
    """
    kind = scene.things[stays].kind
    number = len(scene.of_kind(kind))
    many, less = (NUMBERS[n].capitalize() for n in (number, number - 1))
    options, first = order(rng, many, less)
    name = refer(scene, stays, colour=True)
    question = f"How many {PLURALS[kind]} are there in the picture?"
    pair = both(scene, fewer, first, name, stays)
    sides = pair if rng.random() < 0.5 else (pair[1], pair[0])
    return Pair(COUNT, "number", question, options, sides)


def ask_text(rng: np.random.Generator, scene: Scene) -> Pair | None:
    """Ask what is written on a sign; the other picture shows the other character."""
    index = some(rng, scene, lambda thing: thing.kind == "sign")
    if index is None:
        return None
    thing = scene.things[index]
    written = str(thing.trait("text"))
    other = pick(rng, tuple(c for c in CHARACTERS if c != written))
    options, first = order(rng, written, other)
    name = named(rng, scene, index)
    changed = scene.with_thing(index, thing.with_trait("text", other))
    return Pair(
        TEXT,
        "text",
        f"What is written on {name}?",
        options,
        both(scene, changed, first, name, index),
    )


def _stand_in(rng: np.random.Generator, scene: Scene, thing: Thing) -> Thing:
    """Something of a kind that the scene lacks, as large as a thing and in its place."""
    absent = tuple(k for k in KINDS if not scene.of_kind(k))
    other = sample_thing(rng, (thing.row, thing.column), kind=pick(rng, absent))
    return _placed(other, thing)


def _placed(thing: Thing, like: Thing) -> Thing:
    """Return a thing in the very place of another, as large as that."""
    return replace(thing, size=like.size, dx=like.dx, dy=like.dy, angle=like.angle)


def _trait_asker(question: TraitQuestion) -> Asker:
    return lambda rng, scene: ask_trait(rng, scene, question)


def _askers() -> dict[str, tuple[tuple[tuple[str, ...], Asker], ...]]:
    """By pattern: (kinds that a scene needs, asker)."""
    table: dict[str, list[tuple[tuple[str, ...], Asker]]] = {
        PRESENCE: [((), ask_presence)] * 3,
        POSITION: [((), ask_side), ((), ask_relation)],
        STATE: [],
        COLOUR: [((), ask_colour)],
        VIEW: [],
        COUNT: [((), ask_number)],
        ORIENTATION: [],
        STRUCTURE: [],
        TEXT: [(("sign",), ask_text)],
    }
    for question in TRAIT_QUESTIONS:
        table[question.pattern].append(((question.kind,), _trait_asker(question)))
    return {pattern: tuple(askers) for pattern, askers in table.items()}


ASKERS: Mapping[str, tuple[tuple[tuple[str, ...], Asker], ...]] = _askers()
PATTERNS: tuple[str, ...] = tuple(ASKERS)
"""The nine visual patterns of MMVP."""


def ask(rng: np.random.Generator, scene: Scene, pattern: str | None = None) -> Pair | None:
    """Ask something about a given scene.

    Args:
        rng: source of randomness.
        scene: the first picture.
        pattern: visual pattern, or None for any.

    Returns:
        A pair, one of whose sides is `scene`; None if nothing of that pattern can be asked.
    """
    askers = ASKERS[pattern or pick(rng, PATTERNS)]
    for i in rng.permutation(len(askers)):
        needs, asker = askers[int(i)]
        if all(scene.of_kind(kind) for kind in needs):
            pair = asker(rng, scene)
            if pair is not None:
                return pair
    return None


def sample_pair(rng: np.random.Generator, pattern: str | None = None) -> Pair:
    """Draw a scene and a question about it, all questions of a pattern equally often.

    Args:
        rng: source of randomness.
        pattern: visual pattern, or None for any.
    """
    askers = ASKERS[pattern or pick(rng, PATTERNS)]
    while True:
        needs, asker = askers[int(rng.integers(len(askers)))]
        if asker is ask_number:
            kind = pick(rng, tuple(KINDS))
            needs = (kind,) * int(rng.integers(2, 5))
        repeat = float(rng.choice([0.0, 0.15, 0.3]))
        count = max(int(rng.integers(4, 8)), len(needs))
        scene = sample_scene(rng, count=count, kinds=needs, repeat=repeat)
        pair = asker(rng, scene)
        if pair is not None:
            return pair
