"""Thousands of damaged annotation files: each is a listed problem or a clean error."""

import json
import random

import pytest

from pixfoundation.datasets.checking import check_data
from pixfoundation.datasets.coco import decode_segmentation
from pixfoundation.errors import DataError, PixFoundationError
from pixfoundation.masks import Mask

from .layouts import write_pixmmvp

JUNK = [
    None, True, -1, 0, 1, 2**70, 1e300, float("nan"), float("inf"), "", "x", "\u0000", "Ā", [], {},
    [[]], [[1, 2, 3, 4, 5, 6]], {"size": [12, 16], "counts": "0"}, {"counts": [1]}, [None],
    "1" * 50,
]  # fmt: skip


def damage(value, dice):
    """Replaces, drops or doubles one random part of a JSON value."""
    if isinstance(value, dict) and value and dice.random() < 0.85:
        key = dice.choice(list(value))
        if dice.random() < 0.1:
            return {k: v for k, v in value.items() if k != key}
        return {**value, key: damage(value[key], dice)}
    if isinstance(value, list) and value and dice.random() < 0.85:
        place = dice.randrange(len(value))
        kind = dice.random()
        if kind < 0.1:
            return value[:place] + value[place + 1 :]
        if kind < 0.2:
            return [*value, value[place]]
        return [*value[:place], damage(value[place], dice), *value[place + 1 :]]
    return dice.choice(JUNK)


def test_damaged_json(tmp_path):
    root = write_pixmmvp(tmp_path / "d", images=False)
    file = root / "Segmentations.json"
    whole = json.loads(file.read_text())
    dice = random.Random(5)
    for _ in range(1500):
        file.write_text(json.dumps(damage(damage(whole, dice), dice)))
        report = check_data("pixmmvp", root, images=False)
        assert all(str(problem.file) and problem.message for problem in report.problems)


@pytest.mark.parametrize(
    "name", ["Segmentations.json", "Objects.csv", "Questions.csv", "visual_patterns.csv"]
)
def test_damaged_bytes(tmp_path, name):
    root = write_pixmmvp(tmp_path / "d", images=False)
    file = root / name
    whole = file.read_bytes()
    dice = random.Random(6)
    for _ in range(300):
        broken = bytearray(whole)
        for _ in range(dice.randrange(1, 6)):
            broken[dice.randrange(len(broken))] = dice.randrange(256)
        cut = dice.randrange(len(broken)) if dice.random() < 0.3 else len(broken)
        file.write_bytes(bytes(broken[:cut]))
        report = check_data("pixmmvp", root, images=False)
        assert all(str(problem.file) and problem.message for problem in report.problems)


def test_damaged_run_lengths():
    mask = Mask.from_array([[0, 1, 1, 0, 1]] * 7)
    dice = random.Random(7)
    for _ in range(3000):
        counts = list(mask.counts)
        for _ in range(dice.randrange(1, 4)):
            counts[dice.randrange(len(counts))] = dice.randrange(33, 127)
        try:
            read = Mask.from_rle({"size": [7, 5], "counts": bytes(counts).decode()})
        except DataError:
            continue
        assert 0 <= read.area <= 35
        assert Mask.from_array(read.decode()) == read


@pytest.mark.parametrize("junk", JUNK, ids=repr)
def test_junk_is_no_segmentation_or_a_mask_of_its_size(junk):
    try:
        mask = decode_segmentation(junk, (12, 16))
    except PixFoundationError:
        return
    assert mask.size == (12, 16)
