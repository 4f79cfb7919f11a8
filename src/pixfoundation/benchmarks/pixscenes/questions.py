"""MMVP-style pairs: one question, two options, two pictures that differ in just that.

The nine visual patterns carry the names of MMVP (Tong et al., 2024); the questions, options and
referring expressions follow the form of MMVP and PixMMVP.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from pixfoundation.benchmarks.pixscenes.language import NUMBERS, PLURALS
from pixfoundation.benchmarks.pixscenes.scenes import (
    CHARACTERS,
    COLOURS,
    KINDS,
    Scene,
    Thing,
    sample_scene,
    sample_thing,
)


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


PRESENCE = "Presence of Specific Features"
POSITION = "Positional and Relational Context"
STATE = "State and Condition"
COLOUR = "Color and Appearance"
VIEW = "Viewpoint and Perspective"
COUNT = "Quantity and Count"
ORIENTATION = "Orientation and Direction"
STRUCTURE = "Structural and Physical Characteristics"
TEXT = "Text"


@dataclass(frozen=True)
class TraitQuestion:
    """A question about a trait with two values.

    Attributes:
        pattern: visual pattern.
        kind: kind of thing.
        trait: name of the trait.
        question: text with {name} for the thing.
        options: option text of each value.
        part: the part that the expression names; None for the whole thing.
        given: (trait, value) that must hold for the trait to be visible.
    """

    pattern: str
    kind: str
    trait: str
    question: str
    options: Mapping[str, str]
    part: str | None = None
    given: tuple[str, str] | None = None


def _cap(*values: str) -> dict[str, str]:
    return {value: value.capitalize() for value in values}


_YES_NO = {"yes": "Yes", "no": "No"}

TRAIT_QUESTIONS: tuple[TraitQuestion, ...] = (
    TraitQuestion(PRESENCE, "house", "chimney", "Does {name} have a chimney?", _YES_NO, "chimney"),
    TraitQuestion(PRESENCE, "boat", "flag", "Does {name} have a flag?", _YES_NO, "flag"),
    TraitQuestion(PRESENCE, "tree", "fruit", "Does {name} have fruit?", _YES_NO),
    TraitQuestion(PRESENCE, "flower", "leaf", "Does {name} have leaves?", _YES_NO),
    TraitQuestion(
        STATE, "house", "door", "Is the door of {name} open or closed?",
        _cap("open", "closed"), "door",
    ),
    TraitQuestion(
        STATE, "butterfly", "wings", "Are the wings of {name} open or closed?",
        _cap("open", "closed"), "wings",
    ),
    TraitQuestion(
        STATE, "umbrella", "canopy", "Is {name} open or closed?", _cap("open", "closed")
    ),
    TraitQuestion(STATE, "lamp", "light", "Is {name} on or off?", _cap("on", "off")),
    TraitQuestion(STATE, "cup", "content", "Is {name} full or empty?", _cap("full", "empty")),
    TraitQuestion(
        STATE, "boat", "sail", "Is the sail of {name} raised or lowered?",
        _cap("raised", "lowered"), "sail",
    ),
    TraitQuestion(
        STATE, "bird", "wings", "Is the wing of {name} raised or folded?",
        _cap("raised", "folded"), "wing",
    ),
    TraitQuestion(
        VIEW, "car", "view", "Is {name} seen from the side or from the front?",
        _cap("side", "front"),
    ),
    TraitQuestion(
        VIEW, "cup", "view", "Is {name} seen from the side or from above?",
        _cap("side", "above"),
    ),
    TraitQuestion(
        ORIENTATION, "fish", "facing", "Is {name} facing left or right?", _cap("left", "right")
    ),
    TraitQuestion(
        ORIENTATION, "car", "facing", "Is {name} facing left or right?",
        _cap("left", "right"), None, ("view", "side"),
    ),
    TraitQuestion(
        ORIENTATION, "bird", "facing", "Is {name} facing left or right?", _cap("left", "right")
    ),
    TraitQuestion(
        ORIENTATION, "cup", "handle", "Is the handle of {name} on the left or on the right?",
        _cap("left", "right"), "handle",
    ),
    TraitQuestion(
        STRUCTURE, "house", "roof", "Is the roof of {name} pointed or flat?",
        _cap("pointed", "flat"), "roof",
    ),
    TraitQuestion(
        STRUCTURE, "tree", "crown", "Is the crown of {name} round or pointed?",
        _cap("round", "pointed"), "crown",
    ),
    TraitQuestion(
        STRUCTURE, "sign", "board", "Is the board of {name} round or square?",
        _cap("round", "square"), "board",
    ),
    TraitQuestion(
        STRUCTURE, "ball", "surface", "Is {name} striped or plain?", _cap("striped", "plain")
    ),
    TraitQuestion(
        STRUCTURE, "flower", "petals", "Are the petals of {name} round or pointed?",
        _cap("round", "pointed"), "petals",
    ),
    TraitQuestion(
        STRUCTURE, "fish", "stripes", "Is {name} striped or plain?",
        {"yes": "Striped", "no": "Plain"},
    ),
)  # fmt: skip

_SHARE_NAMED_BY_COLOUR = 0.35


def refer(scene: Scene, index: int, *, colour: bool) -> str:
    """'the fish' or 'the red fish'; the colour is always said if the kind alone is ambiguous."""
    thing = scene.things[index]
    if colour or len(scene.of_kind(thing.kind)) > 1:
        return f"the {thing.colour} {thing.kind}"
    return f"the {thing.kind}"


def _pick(rng: np.random.Generator, values: tuple) -> object:
    return values[int(rng.integers(len(values)))]


def _order(rng: np.random.Generator, first: str, second: str) -> tuple[tuple[str, str], int]:
    """Options in random order and the index of `first`."""
    return ((first, second), 0) if rng.random() < 0.5 else ((second, first), 1)


def _some(rng: np.random.Generator, scene: Scene, allowed: Callable[[Thing], bool]) -> int | None:
    """A random thing that is allowed, or None."""
    found = tuple(i for i, thing in enumerate(scene.things) if allowed(thing))
    return int(_pick(rng, found)) if found else None  # type: ignore[call-overload]


def _expression(name: str, part: str | None) -> str:
    return name if part is None else f"the {part} of {name}"


def ask_trait(rng: np.random.Generator, scene: Scene, wanted: TraitQuestion) -> Pair | None:
    """Ask about a trait; the other picture has its other value."""

    def allowed(thing: Thing) -> bool:
        fits = wanted.given is None or thing.trait(wanted.given[0]) == wanted.given[1]
        return thing.kind == wanted.kind and fits

    index = _some(rng, scene, allowed)
    if index is None:
        return None
    thing = scene.things[index]
    value = thing.trait(wanted.trait)
    other = next(v for v in wanted.options if v != value)
    name = refer(scene, index, colour=rng.random() < _SHARE_NAMED_BY_COLOUR)
    options, first = _order(rng, wanted.options[str(value)], wanted.options[other])
    changed = scene.with_thing(index, thing.with_trait(wanted.trait, other))
    expression = _expression(name, wanted.part)

    def side(picture: Scene, answer: int, seen: str) -> Side:
        # A part that is asked for by its presence is absent from one of the pictures.
        gone = wanted.part is not None and seen == "no"
        target = None if gone else Target(index, wanted.part)
        return Side(picture, answer, expression, target, index)

    return Pair(
        wanted.pattern,
        f"{wanted.kind} {wanted.trait}",
        wanted.question.format(name=name),
        options,
        (side(scene, first, str(value)), side(changed, 1 - first, other)),
    )


def ask_presence(rng: np.random.Generator, scene: Scene) -> Pair | None:
    """Ask for a kind of thing; in the other picture something else stands in its place."""
    index = _some(rng, scene, lambda thing: len(scene.of_kind(thing.kind)) == 1)
    if index is None:
        return None
    thing = scene.things[index]
    absent = tuple(k for k in KINDS if not scene.of_kind(k))
    other = sample_thing(rng, (thing.row, thing.column), kind=str(_pick(rng, absent)))
    other = replace(other, size=thing.size, dx=thing.dx, dy=thing.dy, angle=thing.angle)
    options, first = _order(rng, "Yes", "No")
    expression = None if rng.random() < 0.08 else f"the {thing.kind}"
    there = Side(scene, first, expression, Target(index) if expression else None, index)
    gone = Side(scene.with_thing(index, other), 1 - first, expression, None, None)
    article = "an" if thing.kind[0] in "aeiou" else "a"
    question = f"Is there {article} {thing.kind} in the picture?"
    sides = (there, gone) if rng.random() < 0.5 else (gone, there)
    return Pair(PRESENCE, "thing", question, options, sides)


def _moved(thing: Thing, row: int, column: int) -> Thing:
    return replace(thing, row=row, column=column)


def _swapped(scene: Scene, first: int, second: int) -> Scene:
    """Two things change places."""
    a, b = scene.things[first], scene.things[second]
    return scene.with_thing(first, _moved(a, b.row, b.column)).with_thing(
        second, _moved(b, a.row, a.column)
    )


def ask_side(rng: np.random.Generator, scene: Scene) -> Pair | None:
    """Ask for the half of the picture; in the other picture the thing is in the other half."""
    across = rng.random() < 0.5
    index = _some(rng, scene, lambda t: (t.column if across else t.row) != 1)
    if index is None:
        return None
    thing = scene.things[index]
    row = thing.row if across else 2 - thing.row
    column = 2 - thing.column if across else thing.column
    name = refer(scene, index, colour=rng.random() < _SHARE_NAMED_BY_COLOUR)
    there = [i for i, t in enumerate(scene.things) if (t.row, t.column) == (row, column)]
    changed = (
        _swapped(scene, index, there[0])
        if there
        else scene.with_thing(index, _moved(thing, row, column))
    )
    low, high = ("Left", "Right") if across else ("Top", "Bottom")
    at_low = (thing.column if across else thing.row) == 0
    options, first = _order(rng, low if at_low else high, high if at_low else low)
    where = "on the left or on the right" if across else "at the top or at the bottom"
    return Pair(
        POSITION,
        "side" if across else "height",
        f"Is {name} {where} of the picture?",
        options,
        (
            Side(scene, first, name, Target(index), index),
            Side(changed, 1 - first, name, Target(index), index),
        ),
    )


def ask_relation(rng: np.random.Generator, scene: Scene) -> Pair | None:
    """Ask how one thing lies to another; in the other picture they have changed places."""
    across = rng.random() < 0.5

    def place(thing: Thing) -> int:
        return thing.column if across else thing.row

    index = _some(rng, scene, lambda t: any(place(o) != place(t) for o in scene.things))
    if index is None:
        return None
    thing = scene.things[index]
    other = _some(rng, scene, lambda o: place(o) != place(thing) and o.kind != thing.kind)
    if other is None:
        return None
    name = refer(scene, index, colour=rng.random() < _SHARE_NAMED_BY_COLOUR)
    landmark = refer(scene, other, colour=rng.random() < _SHARE_NAMED_BY_COLOUR)
    low, high = ("Left", "Right") if across else ("Above", "Below")
    before = place(thing) < place(scene.things[other])
    options, first = _order(rng, low if before else high, high if before else low)
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
        (
            Side(scene, first, name, Target(index), index),
            Side(_swapped(scene, index, other), 1 - first, name, Target(index), index),
        ),
    )


def ask_colour(rng: np.random.Generator, scene: Scene) -> Pair | None:
    """Ask for the colour; the other picture shows the thing in the other one."""
    index = _some(rng, scene, lambda thing: len(scene.of_kind(thing.kind)) == 1)
    if index is None:
        return None
    thing = scene.things[index]
    other = str(_pick(rng, tuple(c for c in COLOURS if c != thing.colour)))
    options, first = _order(rng, thing.colour.capitalize(), other.capitalize())
    name = refer(scene, index, colour=False)
    changed = scene.with_thing(index, replace(thing, colour=other))
    return Pair(
        COLOUR,
        "colour",
        f"What color is {name}?",
        options,
        (
            Side(scene, first, name, Target(index), index),
            Side(changed, 1 - first, name, Target(index), index),
        ),
    )


def ask_number(rng: np.random.Generator, scene: Scene) -> Pair | None:
    """Ask how many of a kind there are; the other picture has one less."""
    kinds = tuple(k for k in KINDS if 2 <= len(scene.of_kind(k)) <= 4)
    if not kinds or len(scene.things) < 4:
        return None
    kind = str(_pick(rng, kinds))
    members = scene.of_kind(kind)
    leaves, stays = (int(i) for i in rng.permutation(members)[:2])
    thing = scene.things[leaves]
    absent = tuple(k for k in KINDS if not scene.of_kind(k))
    other = sample_thing(rng, (thing.row, thing.column), kind=str(_pick(rng, absent)))
    other = replace(other, size=thing.size, dx=thing.dx, dy=thing.dy, angle=thing.angle)
    many, fewer = (NUMBERS[n].capitalize() for n in (len(members), len(members) - 1))
    options, first = _order(rng, many, fewer)
    name = refer(scene, stays, colour=True)
    more = Side(scene, first, name, Target(stays), stays)
    less = Side(scene.with_thing(leaves, other), 1 - first, name, Target(stays), stays)
    question = f"How many {PLURALS[kind]} are there in the picture?"
    sides = (more, less) if rng.random() < 0.5 else (less, more)
    return Pair(COUNT, "number", question, options, sides)


def ask_text(rng: np.random.Generator, scene: Scene) -> Pair | None:
    """Ask what is written on a sign; the other picture shows the other character."""
    index = _some(rng, scene, lambda thing: thing.kind == "sign")
    if index is None:
        return None
    thing = scene.things[index]
    written = str(thing.trait("text"))
    other = str(_pick(rng, tuple(c for c in CHARACTERS if c != written)))
    options, first = _order(rng, written, other)
    name = refer(scene, index, colour=rng.random() < _SHARE_NAMED_BY_COLOUR)
    changed = scene.with_thing(index, thing.with_trait("text", other))
    return Pair(
        TEXT,
        "text",
        f"What is written on {name}?",
        options,
        (
            Side(scene, first, name, Target(index), index),
            Side(changed, 1 - first, name, Target(index), index),
        ),
    )


Asker = Callable[[np.random.Generator, Scene], "Pair | None"]


def _trait_asker(wanted: TraitQuestion) -> Asker:
    return lambda rng, scene: ask_trait(rng, scene, wanted)


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
    for wanted in TRAIT_QUESTIONS:
        table[wanted.pattern].append(((wanted.kind,), _trait_asker(wanted)))
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
    askers = ASKERS[pattern or str(_pick(rng, PATTERNS))]
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
    askers = ASKERS[pattern or str(_pick(rng, PATTERNS))]
    while True:
        needs, asker = askers[int(rng.integers(len(askers)))]
        if asker is ask_number:
            kind = str(_pick(rng, tuple(KINDS)))
            needs = (kind,) * int(rng.integers(2, 5))
        repeat = float(rng.choice([0.0, 0.15, 0.3]))
        count = max(int(rng.integers(4, 8)), len(needs))
        scene = sample_scene(rng, count=count, kinds=needs, repeat=repeat)
        pair = asker(rng, scene)
        if pair is not None:
            return pair
