"""Which lessons go behind a picture."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from pixfoundation.datasets.pixscenes.pairs import Pair, Side
from pixfoundation.datasets.pixscenes.questions import PATTERNS, ask, sample_pair
from pixfoundation.datasets.pixscenes.scenes import KINDS
from recipes.texts import (
    Lesson,
    describe_lesson,
    facts_lesson,
    identify_lesson,
    lesson,
    lookup_lesson,
    lookups_lesson,
    sample_expression,
)

TASKS: tuple[str, ...] = (
    "letter",
    "question",
    "identify",
    "open",
    "statement",
    "describe",
    "steps",
    "facts",
    "reasoned",
    "lookup",
    "worded",
)

TOKEN_WEIGHTS: Mapping[str, float] = {
    "letter": 4.0,
    "open": 3.0,
    "statement": 2.0,
    "question": 1.0,
    "identify": 1.0,
    "describe": 0.7,
    "steps": 1.5,
    "facts": 1.0,
    "reasoned": 1.5,
    "lookup": 2.0,
    "worded": 3.0,
}
"""Weight of an answer's token: letters are few and hard, sentences long and mostly easy."""

# Patterns that need two steps are asked more often.
_SHARES = np.array([1.2 if "Positional" in p or "Quantity" in p else 1.0 for p in PATTERNS])


# For the last stage: colours and views are known by then.
_LATE = {
    "Color and Appearance": 0.4,
    "Viewpoint and Perspective": 0.5,
    "Structural and Physical Characteristics": 0.8,
}
LATE_SHARES = np.array([_LATE.get(pattern, 1.3) for pattern in PATTERNS])


def sample_pattern(rng: np.random.Generator, shares: np.ndarray = _SHARES) -> str:
    """Return a visual pattern, the slow ones a little more often."""
    return PATTERNS[int(rng.choice(len(PATTERNS), p=shares / shares.sum()))]


def _identified(rng: np.random.Generator, side: Side) -> Lesson:
    """Identify what the pair's expression names, or now and then something else."""
    if side.expression is not None and rng.random() < 0.6:
        return identify_lesson(side.scene, side.expression, side.target)
    return identify_lesson(side.scene, *sample_expression(rng, side.scene))


def _same(other: Pair, side: Side) -> Side:
    """Return the side of a further pair that shows the same picture."""
    return next(each for each in other.sides if each.scene == side.scene)


def lessons_for(
    rng: np.random.Generator, pair: Pair, side: Side, others: tuple[Pair, ...]
) -> list[Lesson]:
    """Return the lessons behind one picture of a pair.

    Args:
        rng: source of randomness; equal states give both pictures of a pair the same prompts.
        pair: the question in which the two pictures differ.
        side: the picture.
        others: further pairs whose first side is this very picture.
    """
    chosen = [lesson("letter", pair, side)]
    chosen.append(_identified(rng, side))
    chosen.append(lesson("question", pair, side))
    chosen.append(lesson("statement" if rng.random() < 0.5 else "open", pair, side))
    for other in others:
        tasks = ("letter", "open") if rng.random() < 0.6 else ("letter", "statement")
        chosen += [lesson(task, other, _same(other, side)) for task in tasks]
    if rng.random() < 0.35:
        chosen.append(describe_lesson(side.scene))
    elif rng.random() < 0.6:
        chosen.append(identify_lesson(side.scene, *sample_expression(rng, side.scene)))
    return chosen


def looking_lessons(
    rng: np.random.Generator, pair: Pair, side: Side, others: tuple[Pair, ...]
) -> list[Lesson]:
    """Lessons that start from what is easy to look up; arguments as for `lessons_for`.

    Facts come noun first, and letters are reached in steps: object, answer, letter.
    """
    scene = side.scene
    chosen = [lesson("letter", pair, side), facts_lesson(rng, scene)]
    chosen.append(lesson("steps" if rng.random() < 0.6 else "open", pair, side))
    chosen.append(_identified(rng, side))
    if rng.random() < 0.6:
        chosen.append(lesson("question", pair, side))
    for other in others:
        draw = rng.random()
        task = "letter" if draw < 0.4 else "open" if draw < 0.7 else "steps"
        chosen.append(lesson(task, other, _same(other, side)))
    chosen.append(facts_lesson(rng, scene))
    return chosen


def final_lessons(
    rng: np.random.Generator, pair: Pair, side: Side, others: tuple[Pair, ...]
) -> list[Lesson]:
    """Lessons in the very form of the three protocols; arguments as for `lessons_for`.

    Protocol 2 is answered in words before the letter, which then only has to be looked up; looking
    letters up is practised on longer lists.
    """
    scene = side.scene
    chosen = [lesson("reasoned", pair, side), lookup_lesson(rng)]
    chosen.append(_identified(rng, side))
    chosen.append(lesson("question" if rng.random() < 0.5 else "open", pair, side))
    for other in others:
        task = "open" if rng.random() < 0.75 else "reasoned"
        chosen.append(lesson(task, other, _same(other, side)))
    chosen.append(facts_lesson(rng, scene))
    return chosen


def reading_lessons(
    rng: np.random.Generator, pair: Pair, side: Side, others: tuple[Pair, ...]
) -> list[Lesson]:
    """Many short answers a picture, so that every attribute is read often; see `lessons_for`."""
    scene = side.scene
    chosen = [lesson("reasoned", pair, side), lesson("open", pair, side), lookups_lesson(rng)]
    draw = rng.random()
    if draw < 0.35:
        chosen.append(identify_lesson(scene, *sample_expression(rng, scene)))
    elif draw < 0.5 and side.expression is not None:
        chosen.append(identify_lesson(scene, side.expression, side.target))
    elif draw < 0.75:
        chosen.append(facts_lesson(rng, scene))
    else:
        chosen.append(lesson("question", pair, side))
    chosen += [lesson("open", other, _same(other, side)) for other in others]
    return chosen


UNMIXED = frozenset({"height", "colour", "text"}) | {
    f"{kind} {trait}" for kind, spec in KINDS.items() for trait in spec.traits
} - {"cup handle"}
"""Topics in which an option's word stands for one attribute.

'Left' is where a thing is, where it looks, where its handle is and how it lies to another thing; a
small model that is asked all of them learns none. Here 'left' is where it looks.
"""


def choice_lessons(
    rng: np.random.Generator, pair: Pair, side: Side, others: tuple[Pair, ...]
) -> list[Lesson]:
    """Protocol 2 answered with the text of the option; topics of `UNMIXED`; see `lessons_for`."""
    scene = side.scene
    asked = [(pair, side), *((other, _same(other, side)) for other in others)]
    asked = [(p, s) for p, s in asked if p.topic in UNMIXED]
    chosen = [lesson("worded", *each) for each in asked[:3]]
    draw = rng.random()
    if draw < 0.3:
        chosen.append(identify_lesson(scene, *sample_expression(rng, scene)))
    elif draw < 0.55 and side.expression is not None:
        chosen.append(identify_lesson(scene, side.expression, side.target))
    elif draw < 0.7:
        chosen.append(facts_lesson(rng, scene))
    elif asked:
        chosen.append(lesson("question", *asked[0]))
    chosen += [lesson("open", *each) for each in asked[3:]]
    return chosen


def further_questions(
    rng: np.random.Generator, side: Side, count: int, *, late: bool = False
) -> tuple[Pair, ...]:
    """Questions of any pattern about one picture; `late` asks the slow patterns more often."""
    shares = LATE_SHARES if late else _SHARES
    pairs = (ask(rng, side.scene, sample_pattern(rng, shares)) for _ in range(count))
    return tuple(pair for pair in pairs if pair is not None)


def draw_pairs(rng: np.random.Generator, count: int) -> list[Pair]:
    """Fresh pairs, by `sample_pattern`."""
    return [sample_pair(rng, sample_pattern(rng)) for _ in range(count)]
