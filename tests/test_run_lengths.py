"""Run lengths are checked in bulk; held against a plain reader of COCO's strings."""

import random

import numpy as np
import pytest

from pixfoundation.masks import Mask
from pixfoundation.run_lengths import fill


def read_plainly(counts: bytes) -> list[int] | None:
    """Return the runs as COCO's rleFrString does, one character at a time; None if damaged."""
    runs: list[int] = []
    value = place = 0
    for character in counts:
        group = character - 48
        if not 0 <= group <= 63:
            return None
        value |= (group & 31) << 5 * place
        place += 1
        if group & 32:
            if place == 6:
                return None
            continue
        if group & 16:
            value -= 1 << 5 * place
        runs.append(value + runs[-2] if len(runs) > 2 else value)
        value = place = 0
    return None if place or not runs or min(runs) < 0 else runs


def drawn(number: int) -> list[Mask]:
    dice = np.random.default_rng(number)
    return [
        Mask.from_array(dice.random(dice.integers(1, 40, 2)) < dice.random()) for _ in range(200)
    ]


def pixels(masks: list[Mask]) -> list[int]:
    return [mask.size[0] * mask.size[1] for mask in masks]


def test_what_coco_writes_fills_its_mask():
    masks = [*drawn(1), Mask.full((5, 7)), Mask.empty((5, 7)), Mask.from_array([[1]])]
    assert fill([mask.counts for mask in masks], pixels(masks)).all()


def test_of_damaged_strings_exactly_those_that_fill_their_mask_are_good():
    masks, dice = drawn(2), random.Random(2)
    kept = 0
    for _ in range(60):
        damaged = []
        for mask in masks:
            counts = bytearray(mask.counts)
            for _ in range(dice.randrange(3)):
                counts[dice.randrange(len(counts))] = dice.randrange(256)
            cut = dice.randrange(len(counts) + 1) if dice.random() < 0.1 else len(counts)
            damaged.append(bytes(counts[:cut]))
        expected = [
            runs is not None and sum(runs) == number
            for runs, number in zip(map(read_plainly, damaged), pixels(masks), strict=True)
        ]
        assert fill(damaged, pixels(masks)).tolist() == expected
        kept += sum(expected)
    assert 60 * 50 < kept < 60 * 190  # both kinds were tried


@pytest.mark.parametrize(
    ("counts", "number"),
    [
        (b"", 4),
        (b"4", 5),
        (b"P", 4),  # its last group says that more follow
        (b"1 ", 1),
        (b"\xff4", 4),
        (b"oooooo0", 4),  # a run of more bits than any image has pixels
        (b"O8", 7),  # -1 and 8 add up to 7
        (b"0" * 50, 1),
    ],
)
def test_crafted_strings_are_refused_alone_and_among_others(counts, number):
    assert fill([counts], [number]).tolist() == [False]
    assert fill([b"4", counts, b"13"], [4, number, 4]).tolist() == [True, False, True]


def test_nothing_is_checked_where_there_is_nothing():
    assert fill([], []).tolist() == []
