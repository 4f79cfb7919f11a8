"""The look of photographs: exact masks, and pairs that differ only in what is asked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import pixfoundation as pf
from pixfoundation.datasets.pixscenes.dataset import Style, draw_pair, make_pair
from pixfoundation.datasets.pixscenes.drawing import render
from pixfoundation.datasets.pixscenes.photo import MOST_HIDDEN, render_photo
from pixfoundation.errors import DataError

PAIRS = [make_pair("train", index) for index in range(9)]  # one of every visual pattern


def test_the_same_scene_gives_the_same_photograph() -> None:
    scene = PAIRS[0].sides[0].scene
    first, second = render_photo(scene), render_photo(scene)

    assert np.array_equal(first.image, second.image)
    assert first.masks.keys() == second.masks.keys()


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.pattern)
def test_at_most_a_part_of_anything_is_hidden(pair: object) -> None:
    assert isinstance(pair, type(PAIRS[0]))
    for side, photograph in zip(pair.sides, draw_pair(pair, Style.PHOTO), strict=True):
        whole = render(side.scene).masks
        assert photograph.masks.keys() == whole.keys()
        for name, mask in photograph.masks.items():
            assert not (mask & ~whole[name]).any(), "something in front adds nothing to a mask"
            if whole[name].sum() > 60:  # below, single pixels count for more than the bound
                assert mask.sum() >= (1 - MOST_HIDDEN - 0.05) * whole[name].sum()


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.pattern)
def test_the_pictures_of_a_pair_differ_only_where_something_changed(pair: object) -> None:
    assert isinstance(pair, type(PAIRS[0]))
    first, second = pair.sides
    changed = [
        thing
        for ours, theirs in zip(first.scene.things, second.scene.things, strict=True)
        if ours != theirs
        for thing in (ours, theirs)
    ]
    photographs = draw_pair(pair, Style.PHOTO)
    differs = (photographs[0].image != photographs[1].image).any(axis=-1)
    rows, columns = np.mgrid[: differs.shape[0], : differs.shape[1]]
    near = np.zeros_like(differs)
    for thing in changed:  # the thing, its shadow, and the blur around them
        x, y = thing.centre
        near |= np.maximum(abs(columns - x), abs(rows - y)) < thing.radius * 1.2 + 14

    assert differs.any()
    assert not (differs & ~near).any()


def test_something_hides_a_little_of_something_in_most_pictures() -> None:
    hidden = 0
    for pair in PAIRS:
        scene = pair.sides[0].scene
        plain, photograph = render(scene).masks, render_photo(scene).masks
        hidden += any(photograph[name].sum() < plain[name].sum() for name in plain)

    assert hidden > len(PAIRS) / 2


def test_the_dataset_in_this_style_has_the_questions_of_the_plain_one(tmp_path: Path) -> None:
    plain = pf.load_dataset("pixscenes", pairs=2)
    photo = pf.load_dataset("pixscenes", root=tmp_path, pairs=2, style="photo")

    assert [s.question for s in photo.samples] == [s.question for s in plain.samples]
    assert photo.name == "pixscenes-photo"
    assert photo.fingerprint() != plain.fingerprint()
    assert photo.check() == []


def test_a_style_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="photo"):
        pf.load_dataset("pixscenes", root=tmp_path, style="foto")
