"""Whether a noun phrase is true of a scene."""

import numpy as np
import pytest

from pixfoundation.datasets.pixscenes.language import (
    PART_WORDS,
    has_part,
    is_true,
    trait_phrases,
)
from pixfoundation.datasets.pixscenes.scenes import KINDS, Scene, Thing, sample_scene

HOUSE = Thing(
    "house", "yellow", "large", 0, 0, 0.0, 0.0, 0.0,
    (("door", "open"), ("roof", "flat"), ("chimney", "no")),
)  # fmt: skip
FISH = Thing("fish", "red", "small", 2, 1, 0.0, 0.0, 0.0, (("facing", "left"), ("stripes", "yes")))
SIGN = Thing("sign", "blue", "small", 1, 2, 0.0, 0.0, 0.0, (("text", "K"), ("board", "round")))
SCENE = Scene("sea", 1, (HOUSE, FISH, SIGN))


@pytest.mark.parametrize(
    "phrase",
    [
        "The large yellow house",
        "a red fish",
        "fish",
        "one fish",
        "an open door",
        "the open door of the yellow house",
        "The yellow house's open door",
        "a flat roof",
        "no chimney",
        "no tree",
        "dark stripes",
        "the character K",
        "the top left corner",
        "a striped fish",
    ],
)
def test_true_phrases(phrase):
    assert is_true(phrase, SCENE) is True


@pytest.mark.parametrize(
    "phrase",
    [
        "a small house",
        "the blue fish",
        "two fish",
        "a closed door",
        "the closed door of the yellow house",
        "The yellow house's closed door",
        "a brick chimney",
        "no fish",
        "a tree",
        "the character X",
        "the top right corner",
        "a quick brown fox",
        "the door of the fish",
    ],
)
def test_false_phrases(phrase):
    assert is_true(phrase, SCENE) is False


@pytest.mark.parametrize("phrase", ["It", "the picture", "the scene", ""])
def test_phrases_that_claim_nothing(phrase):
    assert is_true(phrase, SCENE) is None


def test_everything_said_of_the_traits_of_a_thing_is_true():
    rng = np.random.default_rng(2)
    for _ in range(60):
        scene = sample_scene(rng)
        for thing in scene.things:
            for phrase in trait_phrases(thing):
                assert is_true(phrase, scene) is True, phrase


def test_parts_with_a_mask_have_words_unless_the_words_say_what_they_need():
    for kind, spec in KINDS.items():
        for part in spec.parts:
            assert (kind, part) in PART_WORDS
    assert not has_part(HOUSE, "chimney")
    assert has_part(HOUSE, "door")
