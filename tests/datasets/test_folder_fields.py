"""What a folder's samples may hold beside question, options, answer, expression and mask."""

import json
from typing import Any

import pytest
from PIL import Image

from pixfoundation.datasets import datasets
from pixfoundation.datasets.checking import check_data
from pixfoundation.datasets.folder import FIELDS, schema
from pixfoundation.masks import Mask
from pixfoundation.types import Query, Sample

SQUARE = [[2, 2, 8, 2, 8, 8, 2, 8]]


def write(root, *lines: dict[str, Any]):
    Image.new("RGB", (20, 10)).save(root / "a.png")
    text = "\n".join(json.dumps({"image": "a.png", **line}) for line in lines)
    (root / "samples.jsonl").write_text(text)
    return root


def only(root, **line) -> Sample:
    [sample] = datasets.get("folder")(write(root, line)).samples
    return sample


def test_a_sample_of_referring_segmentation_has_a_query_a_group_and_ignored_pixels(tmp_path):
    sample = only(
        tmp_path,
        expression="the cup",
        mask=SQUARE,
        ignored=[[10, 0, 20, 0, 20, 10, 10, 10]],
        query="phrase",
        group=3,
    )
    assert sample.query is Query.PHRASE
    assert sample.group == "3"
    assert sample.ignored is not None
    assert sample.ignored.area > 0
    assert Sample.from_json(sample.to_json()) == sample


def test_the_truth_may_be_boxes(tmp_path):
    sample = only(tmp_path, expression="the cups", boxes=[[1, 2, 4.5, 6], [10, 0, 12, 30]])
    assert sample.boxes == ((1.0, 2.0, 4.5, 6.0), (10.0, 0.0, 12.0, 30.0))
    assert sample.mask.area == 3 * 4 + 2 * 10
    assert len(sample.parts) == 2
    assert Sample.from_json(sample.to_json()) == sample


def test_a_question_may_have_right_answers_in_free_words(tmp_path):
    sample = only(tmp_path, question="What is on the table?", references=["a cup", "a mug"])
    assert sample.references == ("a cup", "a mug")
    assert [sample.asks(protocol) for protocol in (1, 2, 3)] == [True, False, False]
    assert sample.has_answer
    assert only(tmp_path, question="Colour?", references="red").references == ("red",)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ({"question": "Why?", "answer": "so"}, "'references'"),
        ({"question": "Why?", "options": ["a", "b"], "references": ["so"]}, "without 'options'"),
        ({"references": ["so"]}, "belong to a question"),
        ({"question": "Why?", "references": [1]}, "'references' is a list of texts"),
        ({"boxes": [[1, 2, 3]]}, "'boxes' is a list of"),
        ({"boxes": []}, "'boxes' is a list of"),
        ({"boxes": [[3, 2, 1, 4]]}, "x0 < x1"),
        ({"boxes": [[1, 1, 3, 3]], "mask": SQUARE}, "'mask' and 'boxes'"),
        ({"query": "text", "expression": "cup"}, "'query' is 'phrase' or 'sentence'"),
        ({"query": "phrase"}, "needs an 'expression'"),
        ({"ignored": [[1, 2]]}, "polygon"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(tmp_path, line, message):
    [error] = check_data("folder", write(tmp_path, line)).errors
    assert error.entry == "line 1"
    assert message in error.message


def test_the_schema_has_every_field_and_tells_good_lines_from_bad():
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")
    validator = jsonschema.Draft202012Validator(schema())
    assert set(schema()["properties"]) == FIELDS
    assert validator.is_valid(
        {"image": "a.png", "expression": "cup", "mask": SQUARE, "query": "phrase", "group": 1}
    )
    assert validator.is_valid({"image": "a.png", "boxes": [[1, 2, 3, 4]], "references": ["x"]})
    for bad in (
        {},
        {"image": ""},
        {"image": "a.png", "colour": 1},
        {"image": "a.png", "boxes": [[1]]},
        {"image": "a.png", "query": "text"},
        {"image": "a.png", "tags": {"n": 1}},
    ):
        assert not validator.is_valid(bad), bad


def test_a_box_is_filled_where_the_centres_of_pixels_lie():
    assert Mask.from_box((0.4, 0, 1.6, 1), (2, 3)).decode().tolist() == [
        [True, True, False],
        [False, False, False],
    ]
