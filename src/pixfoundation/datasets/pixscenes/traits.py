"""Questions about a trait with two values: a door open or closed, a fish striped or plain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pixfoundation.datasets.pixscenes.pairs import (
    ORIENTATION,
    PRESENCE,
    STATE,
    STRUCTURE,
    VIEW,
    Pair,
    Side,
    Target,
    named,
    order,
    some,
)
from pixfoundation.datasets.pixscenes.scenes import Scene, Thing


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
        requires: (trait, value) that must hold for the trait to be visible.
    """

    pattern: str
    kind: str
    trait: str
    question: str
    options: Mapping[str, str]
    part: str | None = None
    requires: tuple[str, str] | None = None


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


def ask_trait(rng: np.random.Generator, scene: Scene, question: TraitQuestion) -> Pair | None:
    """Ask about a trait; the other picture has its other value."""

    def allowed(thing: Thing) -> bool:
        fits = (
            question.requires is None or thing.trait(question.requires[0]) == question.requires[1]
        )
        return thing.kind == question.kind and fits

    index = some(rng, scene, allowed)
    if index is None:
        return None
    thing = scene.things[index]
    value = thing.trait(question.trait)
    other = next(v for v in question.options if v != value)
    name = named(rng, scene, index)
    options, first = order(rng, question.options[str(value)], question.options[other])
    changed = scene.with_thing(index, thing.with_trait(question.trait, other))
    expression = name if question.part is None else f"the {question.part} of {name}"

    def side(picture: Scene, answer: int, seen: str) -> Side:
        # A part that is asked for by its presence is absent from one of the pictures.
        gone = question.part is not None and seen == "no"
        target = None if gone else Target(index, question.part)
        return Side(picture, answer, expression, target, index)

    return Pair(
        question.pattern,
        f"{question.kind} {question.trait}",
        question.question.format(name=name),
        options,
        (side(scene, first, str(value)), side(changed, 1 - first, other)),
    )
