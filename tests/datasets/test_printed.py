"""A dataset prints as a short table, also one that cannot be used."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

from pixfoundation import api


def test_a_dataset_prints_what_it_holds():
    text = str(api.load_dataset("pixscenes"))
    assert text.splitlines()[0] == "pixscenes: 300 samples"
    assert "images       300, 150 pairs" in text
    assert "questions    300" in text
    assert "12 of them absent" in text
    assert max(map(len, text.splitlines())) < 100


def test_a_dataset_with_errors_prints_the_first(tmp_path: Path):
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(tmp_path / "a.png")
    line = {"image": "a.png", "expression": "the dot", "mask": "nowhere.png"}
    (tmp_path / "samples.jsonl").write_text(json.dumps(line) + "\n")
    text = str(api.load_dataset("folder", tmp_path))
    assert text.startswith("folder\n  problem  ")
    assert "nowhere.png" in text


def test_a_segmenter_prints_what_it_accepts():
    text = str(api.load_segmenter("tiny-sam"))
    assert text.splitlines()[0] == "tiny-sam"
    assert "accepts  boxes, masks, points, points in boxes" in text
    assert "source   embedded:tiny-sam" in text
