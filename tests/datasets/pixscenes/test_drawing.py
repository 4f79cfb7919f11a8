"""Drawings: deterministic, with exact, disjoint masks of things and parts."""

import numpy as np
import pytest

from pixfoundation.datasets.pixscenes.drawing import render
from pixfoundation.datasets.pixscenes.scenes import (
    CANVAS,
    COLOURS,
    KINDS,
    Scene,
    Thing,
    sample_scene,
)


def _scene(seed: int) -> Scene:
    return sample_scene(np.random.default_rng(seed))


def _single(kind: str, colour: str = "red", **traits: str) -> Scene:
    values = {name: choices[0] for name, choices in KINDS[kind].traits.items()} | traits
    thing = Thing(kind, colour, "large", 1, 1, 0.0, 0.0, 0.0, tuple(values.items()))
    return Scene("meadow", 5, (thing,))


def test_a_seed_gives_the_same_scene_and_picture_twice():
    assert _scene(3) == _scene(3)
    first, second = render(_scene(3)), render(_scene(3))
    assert np.array_equal(first.image, second.image)
    assert all(np.array_equal(first.masks[k], second.masks[k]) for k in first.masks)


def test_scenes_hold_four_to_seven_things_in_different_cells():
    for seed in range(40):
        things = _scene(seed).things
        assert 4 <= len(things) <= 7
        assert len({(t.row, t.column) for t in things}) == len(things)
        assert len({(t.kind, t.colour) for t in things}) == len(things)


def test_every_picture_is_rgb_of_the_canvas_size():
    drawing = render(_scene(0))
    assert drawing.image.shape == (CANVAS, CANVAS, 3)
    assert drawing.image.dtype == np.uint8


@pytest.mark.parametrize("seed", range(8))
def test_masks_of_things_are_not_empty_and_disjoint(seed):
    scene = _scene(seed)
    drawing = render(scene)
    wholes = np.stack([drawing.masks[str(i)] for i in range(len(scene.things))])
    assert wholes.any(axis=(1, 2)).all()
    assert wholes.sum(axis=0).max() == 1


@pytest.mark.parametrize("seed", range(8))
def test_parts_lie_inside_their_thing_and_do_not_overlap(seed):
    scene = _scene(seed)
    drawing = render(scene)
    for index in range(len(scene.things)):
        parts = [m for name, m in drawing.masks.items() if name.startswith(f"{index}/")]
        for part in parts:
            assert part.any()
            assert not (part & ~drawing.masks[str(index)]).any()
        if parts:
            assert np.stack(parts).sum(axis=0).max() == 1


@pytest.mark.parametrize("kind", list(KINDS))
def test_a_mask_is_where_the_picture_differs_from_the_bare_background(kind):
    scene = _single(kind)
    with_thing, without = render(scene), render(Scene("meadow", 5, ()))
    changed = np.abs(with_thing.image.astype(int) - without.image.astype(int)).max(axis=-1) > 40
    mask = with_thing.masks["0"]
    assert (changed & mask).sum() > 0.75 * mask.sum()
    row, column = np.nonzero(mask)
    assert abs(row.mean() - CANVAS / 2) < 12
    assert abs(column.mean() - CANVAS / 2) < 12


@pytest.mark.parametrize(
    ("kind", "trait"), [(kind, trait) for kind, spec in KINDS.items() for trait in spec.traits]
)
def test_every_trait_can_be_seen(kind, trait):
    """Two values of a trait differ in at least 20 pixels by more than a shade."""
    first, second = KINDS[kind].traits[trait][:2]
    given = {"view": "side"} if trait == "facing" and "view" in KINDS[kind].traits else {}
    pictures = [
        render(_single(kind, "blue", **given, **{trait: value})).image.astype(int)
        for value in (first, second)
    ]
    assert (np.abs(pictures[0] - pictures[1]).max(axis=-1) > 40).sum() >= 20


def test_colours_are_far_apart():
    means = []
    for colour in COLOURS:
        drawing = render(_single("ball", colour, surface="plain"))
        means.append(drawing.image[drawing.masks["0"]].mean(axis=0))
    gaps = [np.abs(a - b).max() for i, a in enumerate(means) for b in means[:i]]
    assert min(gaps) > 30


def test_parts_come_by_name():
    drawing = render(_single("house", chimney="yes"))
    assert {"0", "0/door", "0/roof", "0/window", "0/chimney"} == set(drawing.masks)
    assert "0/chimney" not in render(_single("house", chimney="no")).masks
