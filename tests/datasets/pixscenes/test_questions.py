"""Pairs: one question, opposite answers, pictures that differ in just that."""

from collections import Counter

import numpy as np
import pytest

from pixfoundation.datasets.pixscenes.drawing import render
from pixfoundation.datasets.pixscenes.pairs import Pair
from pixfoundation.datasets.pixscenes.questions import PATTERNS, ask, sample_pair
from pixfoundation.datasets.pixscenes.scenes import CANVAS, GRID, Scene, sample_scene

MMVP_PATTERNS = {
    "Presence of Specific Features",
    "Positional and Relational Context",
    "State and Condition",
    "Color and Appearance",
    "Viewpoint and Perspective",
    "Quantity and Count",
    "Orientation and Direction",
    "Structural and Physical Characteristics",
    "Text",
}


def _pairs(count: int, pattern: str | None = None) -> list[Pair]:
    rng = np.random.default_rng(11)
    return [sample_pair(rng, pattern) for _ in range(count)]


def _changed_cells(first: Scene, second: Scene) -> set[tuple[int, int]]:
    def by_cell(scene: Scene) -> dict:
        return {(t.row, t.column): t for t in scene.things}

    before, after = by_cell(first), by_cell(second)
    return {cell for cell in before | after if before.get(cell) != after.get(cell)}


def test_the_patterns_are_those_of_mmvp():
    assert set(PATTERNS) == MMVP_PATTERNS


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_pattern_gives_pairs_of_that_pattern_with_opposite_answers(pattern):
    for pair in _pairs(25, pattern):
        assert pair.pattern == pattern
        assert {side.answer for side in pair.sides} == {0, 1}
        assert len(set(pair.options)) == 2
        assert pair.question.endswith("?")


@pytest.mark.parametrize("pattern", PATTERNS)
def test_the_scenes_of_a_pair_differ_in_one_place_or_in_two_that_were_swapped(pattern):
    for pair in _pairs(25, pattern):
        first, second = (side.scene for side in pair.sides)
        assert (first.background, first.texture) == (second.background, second.texture)
        changed = _changed_cells(first, second)
        assert len(changed) == (2 if pattern == "Positional and Relational Context" else 1)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_the_pictures_differ_only_in_the_changed_cells(pattern):
    for pair in _pairs(4, pattern):
        first, second = (side.scene for side in pair.sides)
        difference = np.abs(render(first).image.astype(int) - render(second).image.astype(int)).max(
            axis=-1
        )
        assert (difference > 25).sum() >= 10
        cell = CANVAS / GRID
        elsewhere = np.ones((CANVAS, CANVAS), dtype=bool)
        for row, column in _changed_cells(first, second):
            # A shadow reaches a few pixels beyond its cell.
            y, x = row * cell, column * cell
            rows = slice(max(0, int(y) - 8), int(y + cell) + 9)
            elsewhere[rows, max(0, int(x) - 8) : int(x + cell) + 9] = False
        assert difference[elsewhere].max(initial=0) <= 2


def test_either_answer_and_either_letter_comes_equally_often():
    pairs = _pairs(400)
    assert 150 < sum(pair.sides[0].answer for pair in pairs) < 250
    shown_first = Counter(pair.options[0] for pair in pairs)
    assert shown_first["Yes"] > 5
    assert shown_first["No"] > 5


def test_the_answer_is_true_of_its_picture():
    for pair in _pairs(200, "Color and Appearance"):
        for side in pair.sides:
            thing = side.scene.things[side.about]
            assert pair.options[side.answer].lower() == thing.colour
    for pair in _pairs(100, "Quantity and Count"):
        for side in pair.sides:
            kind = side.scene.things[side.about].kind
            number = len(side.scene.of_kind(kind))
            assert pair.options[side.answer] == ("One", "Two", "Three", "Four")[number - 1]


def test_an_expression_names_one_thing_in_both_pictures():
    for pair in _pairs(300):
        for side in pair.sides:
            if side.expression is None or side.target is None:
                continue
            thing = side.scene.things[side.target.thing]
            assert thing.kind in side.expression
            same = [t for t in side.scene.things if t.kind == thing.kind]
            assert len(same) == 1 or thing.colour in side.expression
            if side.target.part is not None:
                assert side.expression.startswith(f"the {side.target.part} of the ")


def test_what_is_absent_has_no_target_and_what_is_there_has_a_mask():
    absent = 0
    for pair in _pairs(60, "Presence of Specific Features"):
        for side in pair.sides:
            masks = render(side.scene).masks
            if side.target is None:
                absent += 1
                continue
            part = side.target.part
            name = str(side.target.thing) + (f"/{part}" if part else "")
            assert masks[name].any()
    assert absent > 10


def test_a_question_about_a_given_scene_has_it_as_one_of_its_sides():
    rng = np.random.default_rng(5)
    for _ in range(60):
        scene = sample_scene(rng)
        pair = ask(rng, scene)
        if pair is not None:
            assert scene in [side.scene for side in pair.sides]
