"""Symbols: what is said of every patch, drawn or written."""

import numpy as np
import pytest

pytest.importorskip("torch")

from recipes.symbolic import MIDDLE, SYMBOLS, SymbolTable, multi_hot, symbolic_pictures
from recipes.symbols import (
    GROUPS,
    LOCAL,
    NOTHING,
    PARTS,
    PATCH,
    PATCHES,
    SIDE,
    label_patches,
    middles,
    patch_classes,
)
from recipes.word_vectors import symbols_of_words

from pixfoundation.datasets.pixscenes.drawing import render
from pixfoundation.datasets.pixscenes.scenes import sample_scene


def _scene(seed: int):
    return sample_scene(np.random.default_rng(seed))


def _drawn(scene):
    """Symbols of a drawn scene, [1, PATCHES, SYMBOLS]."""
    labels = label_patches(scene, render(scene))
    fields = (labels.classes, labels.owners, labels.shares, labels.parts)
    return multi_hot(*(field[None] for field in fields), np.array([labels.background]))


def test_every_thing_owns_a_patch_and_is_described():
    for seed in range(6):
        scene = _scene(seed)
        labels = label_patches(scene, render(scene))
        assert set(labels.owners) - {NOTHING} == set(range(len(scene.things)))
        names = list(GROUPS)
        for index, thing in enumerate(scene.things):
            kind = labels.classes[index, names.index("kind")]
            assert GROUPS["kind"][kind] == thing.kind


def test_the_state_of_a_part_is_told_only_on_that_part():
    for seed in range(6):
        scene = _scene(seed)
        labels = label_patches(scene, render(scene))
        told = patch_classes(labels.classes, labels.owners, labels.parts)
        for group, name in enumerate(GROUPS):
            if name in LOCAL:
                bits = sum(1 << PARTS.index(part) for part in LOCAL[name])
                away = (labels.parts & np.uint32(bits)) == 0
                assert (told[away, group] == NOTHING).all()


def test_a_written_picture_says_what_the_drawn_one_does():
    """Most patches of a thing carry its kind in both, though the layout is only of boxes."""
    scene = _scene(1)
    drawn = _drawn(scene)
    written = symbolic_pictures([scene])
    assert drawn.shape == written.shape == (1, PATCHES, SYMBOLS)
    kinds = slice(0, len(GROUPS["kind"]))
    same = (drawn[0, :, kinds] == written[0, :, kinds]).all(axis=-1)
    assert same.mean() > 0.75


def test_the_table_is_fixed_by_its_seed():
    first, again, other = (SymbolTable(16, seed).table for seed in (0, 0, 1))
    assert first.equal(again)
    assert not first.equal(other)
    assert not list(SymbolTable(16, 0).parameters())


def test_words_start_as_their_symbols():
    words = symbols_of_words()
    assert words["butterflies"] == words["butterfly"]
    assert len(words["open"]) == 3  # a door, wings, an umbrella
    assert "yes" not in words


@pytest.mark.parametrize("word", ["left", "right"])
def test_a_side_starts_as_a_place_and_not_as_a_direction(word):
    column = sum(len(values) for values in list(GROUPS.values())[: list(GROUPS).index("column")])
    assert symbols_of_words()[word] == {column + GROUPS["column"].index(word): 1.0}


def test_numbers_start_at_growing_multiples_of_a_middle():
    words = symbols_of_words()
    weights = [words[number][MIDDLE] for number in ("one", "two", "three", "four", "seven")]
    assert weights == sorted(weights)
    assert words["many"] == {MIDDLE: 1.0}


def test_every_thing_has_one_middle_on_itself():
    for seed in range(6):
        scene = _scene(seed)
        labels = label_patches(scene, render(scene))
        middle = middles(labels.owners, labels.shares)
        assert sorted(labels.owners[middle]) == list(range(len(scene.things)))
        for patch in np.flatnonzero(middle):
            x, y = scene.things[labels.owners[patch]].centre
            row, column = divmod(int(patch), SIDE)
            assert abs((column + 0.5) * PATCH - x) <= 1.5 * PATCH
            assert abs((row + 0.5) * PATCH - y) <= 1.5 * PATCH


def test_middles_of_a_kind_are_as_many_as_its_things_drawn_or_written():
    scene = sample_scene(np.random.default_rng(3), count=5, kinds=("fish", "fish", "fish"))
    fish = GROUPS["kind"].index("fish")
    for hot in (_drawn(scene), symbolic_pictures([scene])):
        assert int((hot[0, :, fish] * hot[0, :, -1]).sum()) == len(scene.of_kind("fish"))
