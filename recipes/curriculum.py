"""Which lessons go behind a picture."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from pixfoundation.datasets.pixscenes.pairs import (
    COUNT,
    ORIENTATION,
    POSITION,
    PRESENCE,
    TEXT,
    Pair,
    Side,
)
from pixfoundation.datasets.pixscenes.questions import (
    PATTERNS,
    ask,
    ask_absent,
    ask_fewer,
    sample_pair,
)
from pixfoundation.datasets.pixscenes.scenes import Scene
from recipes.lookups import lookup_lesson
from recipes.texts import (
    Lesson,
    count_lesson,
    facts_lesson,
    identify_lesson,
    lesson,
    sample_expression,
)

TASKS: tuple[str, ...] = ("letter", "question", "identify", "open", "facts", "lookup")

TOKEN_WEIGHTS: Mapping[str, float] = {
    "letter": 4.0,
    "open": 3.0,
    "question": 1.0,
    "identify": 1.0,
    "facts": 1.0,
    "lookup": 2.0,
}
"""Weight of an answer's token: letters are few and hard, sentences long and mostly easy."""

COUNTS = 2
"""Things to count behind a picture, next to the questions of the pairs."""

LOOKUPS = 10
"""Letters to look up behind a picture, in the stage that teaches nothing else."""

# Patterns that are slow to learn are asked more often.
_WEIGHTS = {POSITION: 2.0, COUNT: 1.6, PRESENCE: 1.4, TEXT: 1.3, ORIENTATION: 1.3}
_SHARES = np.array([_WEIGHTS.get(pattern, 1.0) for pattern in PATTERNS])


def sample_pattern(rng: np.random.Generator) -> str:
    """Return a visual pattern, the slow ones a little more often."""
    return PATTERNS[int(rng.choice(len(PATTERNS), p=_SHARES / _SHARES.sum()))]


def _identified(rng: np.random.Generator, side: Side) -> Lesson:
    """Identify what the pair's expression names, or now and then something else."""
    if side.expression is not None and rng.random() < 0.6:
        return identify_lesson(side.scene, side.expression, side.target)
    return identify_lesson(side.scene, *sample_expression(rng, side.scene))


def _same(other: Pair, side: Side) -> Side:
    """Return the side of a further pair that shows the same picture."""
    return next(each for each in other.sides if each.scene == side.scene)


def protocol_lessons(
    rng: np.random.Generator, pair: Pair, side: Side, others: tuple[Pair, ...]
) -> list[Lesson]:
    """Return the lessons behind one picture of a pair: many questions, mostly with short answers.

    Args:
        rng: source of randomness; equal states give both pictures of a pair the same prompts.
        pair: the question in which the two pictures differ.
        side: the picture.
        others: further pairs whose first side is this very picture.
    """
    chosen = [lesson("letter", pair, side)]
    draw = rng.random()
    if draw < 0.45:
        chosen.append(_identified(rng, side))
    elif draw < 0.6:
        chosen.append(facts_lesson(rng, side.scene))
    elif draw < 0.75:
        chosen.append(lookup_lesson(rng, named_before=True))
    else:
        chosen.append(lesson("open", pair, side))
    chosen.append(count_lesson(rng, side.scene))
    for other in others:
        draw = rng.random()
        task = "letter" if draw < 0.45 else "open" if draw < 0.85 else "question"
        chosen.append(lesson(task, other, _same(other, side)))
    return chosen


def word_lessons(
    rng: np.random.Generator, pair: Pair, side: Side, others: tuple[Pair, ...]
) -> list[Lesson]:
    """Return questions answered in words, and letters to look up; arguments as `protocol_lessons`.

    A letter is learned once the model knows the word that it stands for.
    """
    chosen = [lesson("open", pair, side), facts_lesson(rng, side.scene)]
    chosen += [lookup_lesson(rng, named_before=True) for _ in range(2)]
    chosen.append(_identified(rng, side) if rng.random() < 0.5 else facts_lesson(rng, side.scene))
    chosen += [count_lesson(rng, side.scene) for _ in range(COUNTS)]
    for other in others:
        task = "open" if rng.random() < 0.8 else "question"
        chosen.append(lesson(task, other, _same(other, side)))
    return chosen


def letter_lessons(
    rng: np.random.Generator, pair: Pair, side: Side, others: tuple[Pair, ...]
) -> list[Lesson]:
    """Return letters to look up, in lists that the picture has nothing to do with."""
    return [lookup_lesson(rng, named_before=number % 2 == 0) for number in range(LOOKUPS)]


def further_questions(rng: np.random.Generator, side: Side, count: int) -> tuple[Pair, ...]:
    """Questions of any pattern about one picture, neither option more often right than the other.

    `ask` alone would ask for things that are there, and give the greater of two numbers.
    """
    pairs = (_further(rng, side.scene, sample_pattern(rng)) for _ in range(count))
    return tuple(pair for pair in pairs if pair is not None)


def _further(rng: np.random.Generator, scene: Scene, pattern: str) -> Pair | None:
    """Ask something of which the picture is either side."""
    pair = ask(rng, scene, pattern)
    if pair is not None and rng.random() < 0.5:
        if pair.topic == "thing":
            return ask_absent(rng, scene)
        if pair.topic == "number":
            return ask_fewer(rng, scene)
    return pair


def draw_pairs(rng: np.random.Generator, count: int) -> list[Pair]:
    """Fresh pairs, by `sample_pattern`."""
    return [sample_pair(rng, sample_pattern(rng)) for _ in range(count)]
