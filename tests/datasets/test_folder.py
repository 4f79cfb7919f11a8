"""Your own data: one line a sample, masks in three forms."""

import json

import numpy as np
import pytest
from PIL import Image

from pixfoundation.datasets.checking import check_data
from pixfoundation.datasets.folder import load
from pixfoundation.errors import DataError

RUNS = {"size": [4, 6], "counts": [4, 8, 12]}


def write(root, *lines):
    root.mkdir(exist_ok=True)
    Image.new("RGB", (6, 4)).save(root / "a.png")
    inside = np.zeros((4, 6), np.uint8)
    inside[:, :2] = 7
    Image.fromarray(inside).save(root / "mask.png")
    text = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    (root / "samples.jsonl").write_text("\n".join(text) + "\n")
    return root


def test_all_fields(tmp_path):
    line = {
        "id": "x",
        "image": "a.png",
        "question": "Open?",
        "options": ["Yes", "No"],
        "answer": "No",
        "expression": " the door ",
        "mask": RUNS,
        "pair": 7,
        "tags": {"room": "hall"},
        "prompt": "Open? Say yes or no.",
    }
    data = load(write(tmp_path / "d", line, {"image": "a.png"}), name="doors")
    first, second = data.samples
    assert (first.id, first.answer, first.expression, first.pair) == ("x", "b", "the door", "7")
    assert (first.mask.area, first.tags["room"], first.prompt) == (8, "hall", line["prompt"])
    assert (second.id, second.question, second.expression) == ("2", None, None)
    assert second.mask.is_empty
    assert data.name == "doors"


@pytest.mark.parametrize(
    ("mask", "area", "parts"),
    [
        (RUNS, 8, 1),
        ([[0, 0, 6, 0, 6, 4, 0, 4]], 24, 1),
        ("mask.png", 8, 1),
        (["mask.png", RUNS], 12, 2),
        (None, 0, 0),
    ],
)
def test_masks(tmp_path, mask, area, parts):
    (sample,) = load(write(tmp_path / "d", {"image": "a.png", "mask": mask})).samples
    assert (sample.mask.area, len(sample.parts)) == (area, parts)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "not valid JSON"),
        ("[1]", "not a JSON object"),
        ({}, "'image' is a text"),
        ({"image": "b.png"}, "no image at"),
        ({"image": "a.png", "mask": [[1, 2]]}, "three points"),
        ({"image": "a.png", "mask": {"size": [2, 2], "counts": [4]}}, "a mask is 2 x 2"),
        ({"image": "a.png", "mask": "none.png"}, "no image at"),
        ({"image": "a.png", "mask": 3}, "list of polygons"),
        ({"image": "a.png", "options": "ab"}, "list of texts"),
        (
            {"image": "a.png", "options": ["x", "y"], "answer": "z"},
            "not the letter of any of 2 options",
        ),
        ({"image": "a.png", "question": "Is it?", "answer": "a"}, "needs 'options'"),
        ({"image": "a.png", "tags": {"a": 1}}, "values are texts"),
        ({"image": "a.png", "id": [1]}, "an id is a text"),
        ({"image": "a.png", "colour": "red"}, "unknown fields: colour"),
    ],
)
def test_damage_is_listed_with_its_line(tmp_path, line, said):
    root = write(tmp_path / "d", {"image": "a.png", "id": "first"}, line)
    report = check_data("folder", root)
    assert [p.entry for p in report.errors] == ["line 2"]
    assert said in report.errors[0].message
    with pytest.raises(DataError, match="line 2"):
        _ = load(root).samples


def test_ids_and_pairs(tmp_path):
    twice = write(tmp_path / "d", {"image": "a.png", "id": 1}, {"image": "a.png", "id": "1"})
    assert "'1' occurs twice" in str(check_data("folder", twice).errors[0])
    alone = write(tmp_path / "e", {"image": "a.png", "pair": "p"})
    (odd,) = check_data("folder", alone).problems
    assert (odd.severity, odd.entry) == ("warning", "pair p")
