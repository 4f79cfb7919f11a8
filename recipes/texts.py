"""What the language model is taught to say about a scene, prompt by prompt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pixfoundation.datasets.pixscenes.language import (
    NUMBERS,
    PART_WORDS,
    PLACES,
    PLURALS,
    has_part,
    part_adjective,
    trait_phrases,
    with_article,
)
from pixfoundation.datasets.pixscenes.pairs import Pair, Side, Target, refer
from pixfoundation.datasets.pixscenes.scenes import COLOURS, KINDS, Scene, Thing
from pixfoundation.prompts import LETTER_INSTRUCTION, PromptTemplates

_SHARE_OF_ALL = 0.3
"""Share of the questions for a number that may be about all things."""

_PLURAL_PARTS = {"wings", "petals", "wheels"}


@dataclass(frozen=True)
class Lesson:
    """A prompt and the answer to learn.

    Attributes:
        task: 'question', 'letter', 'identify' (protocols 1 to 3), 'open', 'facts' or 'lookup'.
        prompt: the user's text, without the chat template.
        answer: what the assistant learns to say, with its leading blank.
        begun: what the assistant has said before that, with its leading blank; not learned.
    """

    task: str
    prompt: str
    answer: str
    begun: str = ""


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def full_name(thing: Thing, *, colour: bool = True) -> str:
    """'large red fish'."""
    return f"{thing.size} {thing.colour} {thing.kind}" if colour else f"{thing.size} {thing.kind}"


def state_sentence(pair: Pair, side: Side) -> str:
    """Return a sentence that answers the question of a pair for one of its pictures."""
    option = pair.options[side.answer]
    value = option.lower()
    if side.about is None:
        kind = pair.question.split()[3]
        return f"No, there is no {kind} in the picture."
    thing = side.scene.things[side.about]
    name = f"the {full_name(thing)}"
    topic = pair.topic
    if topic == "thing":
        place = PLACES[(thing.row, thing.column)]
        return f"Yes, there is a {full_name(thing)} {place}."
    if topic == "number":
        number = len(side.scene.of_kind(thing.kind))
        noun = thing.kind if number == 1 else PLURALS[thing.kind]
        return f"There {'is' if number == 1 else 'are'} {value} {noun} in the picture."
    if topic == "left of":
        return _capital(f"{name} is to the {value} of {_landmark(pair)}.")
    if topic == "above":
        return _capital(f"{name} is {value} {_landmark(pair)}.")
    if option in {"Yes", "No"}:
        noun = {"leaf": "leaves"}.get(topic.split()[1], topic.split()[1])
        phrase = next(p for p in trait_phrases(thing) if p.endswith(noun))
        return f"{option}, {name} has {phrase}."
    sentences = {
        "side": f"{name} is on the {value}.",
        "height": f"{name} is at the {value}.",
        "colour": f"the {full_name(thing, colour=False)} is {value}.",
        "text": f"the character {option} is written on {name}.",
        "cup handle": f"the handle of {name} is on the {value}.",
        "car view": f"{name} is seen from the {value}.",
        "cup view": f"{name} is seen from {'the side' if value == 'side' else 'above'}.",
        "house door": f"the door of {name} is {value}.",
        "house roof": f"the roof of {name} is {value}.",
        "tree crown": f"the crown of {name} is {value}.",
        "sign board": f"the board of {name} is {value}.",
        "boat sail": f"the sail of {name} is {value}.",
        "bird wings": f"the wing of {name} is {value}.",
        "butterfly wings": f"the wings of {name} are {value}.",
        "flower petals": f"the petals of {name} are {value}.",
    }
    if topic.endswith("facing"):
        return _capital(f"{name} is facing {value}.")
    return _capital(sentences.get(topic, f"{name} is {value}."))


def _landmark(pair: Pair) -> str:
    for words in (" to the right of ", " or below "):
        if words in pair.question:
            return pair.question.split(words)[1].rstrip("?")
    raise ValueError(f"No landmark in {pair.question!r}.")


def _neighbour(scene: Scene, index: int) -> Thing | None:
    """Return the thing whose centre is nearest."""
    x, y = scene.things[index].centre
    others = [t for i, t in enumerate(scene.things) if i != index]
    if not others:
        return None
    return min(others, key=lambda t: (t.centre[0] - x) ** 2 + (t.centre[1] - y) ** 2)


def identify_sentence(scene: Scene, expression: str, target: Target | None) -> str:
    """Return the answer to 'Identify <expression> in the scene.': what, where, and what is near.

    Several of its noun phrases carry what the prompt does not say, so that the model has to look.
    """
    if target is None:
        first = min(scene.things, key=lambda t: (t.row, t.column))
        place = PLACES[(first.row, first.column)]
        noun, _, owner = expression.removeprefix("the ").partition(" of ")
        where = f"on {owner}" if owner else "in the picture"
        return f"There is no {noun} {where}. The {full_name(first)} is {place}."
    thing = scene.things[target.thing]
    place = PLACES[(thing.row, thing.column)]
    near = _neighbour(scene, target.thing)
    beside = "" if near is None else f", next to {with_article(full_name(near))}"
    if target.part is not None:
        verb, it = ("are", "They are") if target.part in _PLURAL_PARTS else ("is", "It is")
        own = (
            f"the {thing.colour} {thing.kind}'s {part_adjective(thing, target.part)} {target.part}"
        )
        whole = with_article(full_name(thing))
        return f"{_capital(own)} {verb} {place}. {it} part of {whole}{beside}."
    facing = thing.trait("facing")
    looks = "" if facing is None else f", facing {facing}"
    has = " and ".join(trait_phrases(thing)[:2])
    return f"The {full_name(thing)} is {place}{looks}. It has {has}{beside}."


_CLAUSES: dict[str, str] = {
    "door": "its door is {}",
    "roof": "its roof is {}",
    "chimney": "it has {} chimney",
    "facing": "it is facing {}",
    "view": "it is seen from {}",
    "stripes": "it has {} stripes",
    "wings": "its wings are {}",
    "crown": "its crown is {}",
    "fruit": "it has {} fruit",
    "canopy": "it is {}",
    "handle": "its handle is on the {}",
    "content": "it is {}",
    "light": "it is {}",
    "text": "its text is {}",
    "board": "its board is {}",
    "surface": "it is {}",
    "sail": "its sail is {}",
    "flag": "it has {} flag",
    "petals": "its petals are {}",
    "leaf": "it has {} leaves",
}
_ANY = {"chimney": "a", "flag": "a", "stripes": "dark", "fruit": "small", "leaf": "green"}


def facts_sentence(thing: Thing) -> str:
    """Everything about a thing, the noun always before what is said of it.

    After the noun the model can look straight at what it names, which it learns first.
    """
    clauses = []
    for name, clause in _CLAUSES.items():
        value = thing.trait(name)
        if value is not None:
            clauses.append(clause.format(_ANY[name] if value == "yes" else value))
    place = PLACES[(thing.row, thing.column)]
    facts = [f"The {thing.kind} is {thing.colour} and {thing.size}", place, *clauses]
    return ", ".join(facts) + "."


def facts_lesson(rng: np.random.Generator, scene: Scene) -> Lesson:
    """Return the facts about one of the things that are the only ones of their kind."""
    single = [t for t in scene.things if len(scene.of_kind(t.kind)) == 1] or list(scene.things)
    thing = single[int(rng.integers(len(single)))]
    return Lesson("facts", f"Tell about the {thing.kind}.", f" {facts_sentence(thing)}")


def count_lesson(rng: np.random.Generator, scene: Scene) -> Lesson:
    """Ask for the number of things of a kind or colour, or now and then of all things.

    Each number that there is comes equally often: few kinds are there more than once, but colours
    are, and a scene has up to seven things.
    """
    things = scene.things
    counted = {PLURALS[kind]: len(scene.of_kind(kind)) for kind in KINDS}
    for colour in COLOURS:
        counted[f"{colour} things"] = sum(thing.colour == colour for thing in things)
    if rng.random() < _SHARE_OF_ALL:
        counted["things"] = len(things)
    numbers = sorted({number for number in counted.values() if number})
    number = numbers[int(rng.integers(len(numbers)))]
    names = [name for name, count in counted.items() if count == number]
    name = names[int(rng.integers(len(names)))]
    prompt = f"How many {name} are there in the picture?"
    return Lesson("open", prompt, f" {_capital(NUMBERS[number])}")


def question_prompt(pair: Pair) -> str:
    """Protocol 1."""
    return f"{pair.question} (a) {pair.options[0]} (b) {pair.options[1]}"


def letter_prompt(pair: Pair) -> str:
    """Protocol 2."""
    return f"{pair.question} {options_text(pair.options)}"


def options_text(options: Sequence[str], letters: Sequence[str] = "AB") -> str:
    """Return the options and the instruction as protocol 2 has them."""
    lines = "\n".join(
        f"{letter}. {option}" for letter, option in zip(letters, options, strict=True)
    )
    return f"Options:\n{lines}\n{LETTER_INSTRUCTION}"


def lesson(task: str, pair: Pair, side: Side) -> Lesson:
    """Return a question's lesson for one picture; `task` is question, letter or open."""
    if task == "question":
        return Lesson(task, question_prompt(pair), f" {state_sentence(pair, side)}")
    if task == "letter":
        return Lesson(task, letter_prompt(pair), f" {'AB'[side.answer]}")
    if task == "open":
        return Lesson(task, pair.question, f" {pair.options[side.answer]}")
    raise ValueError(f"No question has the task {task!r}.")


def identify_lesson(scene: Scene, expression: str, target: Target | None) -> Lesson:
    """Protocol 3 for an expression."""
    prompt = PromptTemplates().identify.format(expression=expression)
    return Lesson("identify", prompt, f" {identify_sentence(scene, expression, target)}")


def sample_expression(rng: np.random.Generator, scene: Scene) -> tuple[str, Target | None]:
    """Return a referring expression: a thing, a part or (one in eight) something absent."""
    index = int(rng.integers(len(scene.things)))
    thing = scene.things[index]
    draw = rng.random()
    if draw < 0.06:
        absent = [k for k in KINDS if not scene.of_kind(k)]
        return f"the {absent[int(rng.integers(len(absent)))]}", None
    name = refer(scene, index, colour=rng.random() < 0.35)
    nouns = [n for kind, n in PART_WORDS if kind == thing.kind and n in KINDS[kind].parts]
    if draw < 0.5 and nouns:
        noun = nouns[int(rng.integers(len(nouns)))]
        present = has_part(thing, noun)
        return f"the {noun} of {name}", Target(index, noun) if present else None
    return name, Target(index)
