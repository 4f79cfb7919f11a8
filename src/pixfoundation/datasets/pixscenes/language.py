"""Words for what is in a scene, and whether a noun phrase is true of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from pixfoundation.datasets.pixscenes.scenes import CHARACTERS, KINDS, Scene, Thing

PLURALS: Mapping[str, str] = {
    **{kind: f"{kind}s" for kind in KINDS},
    "fish": "fish",
    "butterfly": "butterflies",
}
NUMBERS: tuple[str, ...] = ("no", "one", "two", "three", "four", "five", "six", "seven")

PLACES: Mapping[tuple[int, int], str] = {
    (0, 0): "in the top left corner",
    (0, 1): "at the top",
    (0, 2): "in the top right corner",
    (1, 0): "on the left side",
    (1, 1): "in the middle",
    (1, 2): "on the right side",
    (2, 0): "in the bottom left corner",
    (2, 1): "at the bottom",
    (2, 2): "in the bottom right corner",
}
"""Where a thing is, by (row, column)."""


@dataclass(frozen=True)
class PartWords:
    """How a part of a kind may be spoken of.

    Attributes:
        trait: the trait that its adjectives come from, if any.
        colour: its fixed colour word; None if it has the colour of the thing.
        needs: (trait, value) without which the part is not there.
    """

    trait: str | None = None
    colour: str | None = None
    needs: tuple[str, str] | None = None


PART_WORDS: Mapping[tuple[str, str], PartWords] = {
    ("house", "door"): PartWords("door", "brown"),
    ("house", "roof"): PartWords("roof", "grey"),
    ("house", "window"): PartWords(None, "blue"),
    ("house", "chimney"): PartWords(None, "brick", ("chimney", "yes")),
    ("car", "wheels"): PartWords(None, "dark"),
    ("car", "window"): PartWords(None, "blue"),
    ("fish", "tail"): PartWords(),
    ("fish", "stripes"): PartWords(None, "dark", ("stripes", "yes")),
    ("butterfly", "wings"): PartWords("wings"),
    ("tree", "crown"): PartWords("crown"),
    ("tree", "trunk"): PartWords(None, "brown"),
    ("tree", "fruit"): PartWords(None, "small", ("fruit", "yes")),
    ("umbrella", "canopy"): PartWords("canopy"),
    ("umbrella", "handle"): PartWords(None, "brown"),
    ("cup", "handle"): PartWords("handle"),
    ("lamp", "shade"): PartWords(),
    ("lamp", "base"): PartWords(None, "grey"),
    ("sign", "board"): PartWords("board"),
    ("sign", "pole"): PartWords(None, "grey"),
    ("ball", "stripes"): PartWords(None, "dark", ("surface", "striped")),
    ("boat", "hull"): PartWords(),
    ("boat", "sail"): PartWords("sail", "pale"),
    ("boat", "flag"): PartWords(None, "red", ("flag", "yes")),
    ("bird", "wing"): PartWords("wings"),
    ("flower", "petals"): PartWords("petals"),
    ("flower", "stem"): PartWords(None, "green"),
    ("flower", "leaves"): PartWords(None, "green", ("leaf", "yes")),
}
"""What is said of the parts of each kind, by (kind, noun)."""

_PART_NOUNS = {noun for _, noun in PART_WORDS}
_SINGULAR = {**{plural: kind for kind, plural in PLURALS.items()}, **{k: k for k in KINDS}}
_SILENT = {"it", "they", "there", "that", "this", "which", "picture", "scene", "image"}
_ARTICLES = {"a", "an", "the", "its", "another"}
_PLACE_WORDS = {"top", "bottom", "left", "right", "middle", "corner", "side"}


def with_article(words: str) -> str:
    """Return the words with their article: 'an orange car' for 'orange car'."""
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def has_part(thing: Thing, noun: str) -> bool:
    """Whether a thing has a part of that name to be seen."""
    words = PART_WORDS.get((thing.kind, noun))
    return words is not None and (
        words.needs is None or thing.trait(words.needs[0]) == words.needs[1]
    )


def part_adjective(thing: Thing, noun: str) -> str | None:
    """Return what a part is like: its trait ('open') or else its colour."""
    words = PART_WORDS[(thing.kind, noun)]
    if words.trait is not None:
        return thing.trait(words.trait)
    return words.colour or thing.colour


def trait_phrases(thing: Thing) -> tuple[str, ...]:
    """One or more noun phrases about the parts and the state of a thing, all true of it."""
    t = thing.trait
    phrases = {
        "house": (
            with_article(f"{t('door')} door"),
            f"a {t('roof')} roof",
            "a brick chimney" if t("chimney") == "yes" else "no chimney",
        ),
        "car": ("dark wheels", "a blue window"),
        "fish": ("dark stripes" if t("stripes") == "yes" else "no stripes",),
        "butterfly": (f"{t('wings')} wings",),
        "tree": (
            f"a {t('crown')} crown",
            "small fruit" if t("fruit") == "yes" else "no fruit",
        ),
        "umbrella": (with_article(f"{t('canopy')} canopy"), "a brown handle"),
        "cup": (f"a {t('handle')} handle",),
        "lamp": (f"a {thing.colour} shade", "a grey base"),
        "sign": (f"a {t('board')} board", f"the character {t('text')}"),
        "ball": ("dark stripes" if t("surface") == "striped" else "no stripes",),
        "boat": (
            f"a {t('sail')} sail",
            "a red flag" if t("flag") == "yes" else "no flag",
        ),
        "bird": (f"a {t('wings')} wing",),
        "flower": (
            f"{t('petals')} petals",
            "green leaves" if t("leaf") == "yes" else "no leaves",
        ),
    }  # fmt: skip
    return tuple(p.replace("a orange", "an orange") for p in phrases[thing.kind])


def _adjectives(thing: Thing) -> set[str]:
    """Every adjective that is true of a whole thing."""
    words = {thing.colour, thing.size}
    for name, _ in thing.traits:
        value = thing.trait(name)
        if value is not None and value not in {"yes", "no"}:
            words.add(value)
    if thing.trait("stripes") is not None:
        words.add("striped" if thing.trait("stripes") == "yes" else "plain")
    return words


def _part_adjectives(thing: Thing, noun: str) -> set[str]:
    words = PART_WORDS[(thing.kind, noun)]
    adjectives = {words.colour or thing.colour}
    if words.trait is not None and thing.trait(words.trait) is not None:
        adjectives.add(str(thing.trait(words.trait)))
    return adjectives


def _described(words: list[str], things: tuple[Thing, ...]) -> list[Thing] | None:
    """Things that adjectives + noun are true of; None if the noun or a word is unknown."""
    if not words:
        return None
    *adjectives, noun = words
    if noun in _SINGULAR:
        kind = _SINGULAR[noun]
        return [t for t in things if t.kind == kind and set(adjectives) <= _adjectives(t)]
    if noun in _PART_NOUNS:
        return [
            t for t in things if has_part(t, noun) and set(adjectives) <= _part_adjectives(t, noun)
        ]
    return None


def _true_of(words: list[str], things: tuple[Thing, ...]) -> bool:
    if "of" in words:
        cut = words.index("of")
        owners = _described(words[cut + 1 :], things)
        return owners is not None and _true_of(words[:cut], tuple(owners))
    if set(words) <= _PLACE_WORDS:
        return any(set(words) <= set(PLACES[(t.row, t.column)].split()) for t in things)
    if words and words[0] in NUMBERS:
        number, rest = NUMBERS.index(words[0]), words[1:]
        described = _described(rest, things)
        if number == 0 and described is None and rest and rest[-1] in _PART_NOUNS:
            return True
        return described is not None and len(described) == number
    if words and words[0] in {"letter", "character", "digit"}:
        written = {t.trait("text") for t in things}
        return len(words) == 2 and words[1].upper() in written & set(CHARACTERS)
    return bool(_described(words, things))


def is_true(phrase: str, scene: Scene) -> bool | None:
    """Decide whether a noun phrase of an answer is true of a scene.

    A phrase is true if something in the scene is all that it says: 'a large red fish' needs one
    thing that is a fish, red and large; 'no chimney' needs a thing without one (a house, if
    the scene has several kinds); 'the top left corner' needs something there. A noun or an
    adjective that the scenes do not know makes a phrase false.

    Args:
        phrase: a noun phrase in English, with or without its article.
        scene: the description of the picture.

    Returns:
        True or False, or None for phrases that claim nothing ('it', 'the picture').
    """
    owner, apostrophe, owned = phrase.lower().replace("\u2019", "'").partition("'s ")
    text = f"{owned} of {owner}" if apostrophe else owner
    words = [w for w in re.findall(r"[a-z0-9]+", text) if w not in _ARTICLES]
    if not words or (len(words) == 1 and words[0] in _SILENT):
        return None
    if words[0] == "no" and len(words) > 1 and words[-1] in _PART_NOUNS:
        bearers = {kind for kind, noun in PART_WORDS if noun == words[-1]}
        return any(t.kind in bearers and not has_part(t, words[-1]) for t in scene.things)
    return _true_of(words, scene.things)
