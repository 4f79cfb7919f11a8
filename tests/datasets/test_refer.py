"""RefCOCO, RefCOCO+, RefCOCOg, gRefCOCO and ReasonSeg in their published layouts."""

import json
import pickle
import re
from typing import Any

import numpy as np
import pytest

from pixfoundation.datasets import datasets
from pixfoundation.datasets.checking import check_data
from pixfoundation.datasets.reasonseg import IGNORED, TARGET, Shape, draw_shapes
from pixfoundation.errors import DataError, PrerequisiteError
from pixfoundation.masks import Mask
from pixfoundation.types import Query
from tests.datasets.refer_layouts import (
    LEFT,
    RIGHT,
    SIZE,
    WITHIN_RIGHT,
    reference,
    write_grefcoco,
    write_reasonseg,
    write_refcoco,
)


def load(name, root, **options):
    return datasets.get(name)(root, **options)


# ---- RefCOCO -------------------------------------------------------------------------------------


def test_every_sentence_is_a_sample_and_images_are_groups(tmp_path):
    samples = load("refcoco", write_refcoco(tmp_path)).samples
    assert [s.expression for s in samples] == [
        "Left cup",
        "the cup on the left",
        "right cup",
        "crowd",
    ]
    assert {s.group for s in samples} == {"1"}
    assert [s.id for s in samples] == ["10", "11", "20", "30"]
    assert all(
        s.image.exists() and s.question is None and s.tags["category"] == "cup" for s in samples
    )
    assert samples[0].mask == Mask.from_polygons([LEFT], SIZE)
    assert samples[3].mask.area == 40


@pytest.mark.parametrize("split", ["testA", "testB"])
def test_a_reference_of_both_test_splits_is_in_each(tmp_path, split):
    samples = load("refcoco", write_refcoco(tmp_path), split=split).samples
    assert [s.expression for s in samples] == ["only cup"]


def test_overlapping_polygons_are_united_or_counted_as_lisa_does(tmp_path):
    root = write_refcoco(tmp_path)
    united = load("refcoco", root)
    assert united.samples[2].mask == Mask.from_polygons([RIGHT, WITHIN_RIGHT], SIZE)
    assert any("1 object overlap" in note for note in united.notes)
    hole = load("refcoco", root, overlaps="lisa").samples[2].mask.decode()
    both = (
        Mask.from_polygons([RIGHT], SIZE).decode()
        & Mask.from_polygons([WITHIN_RIGHT], SIZE).decode()
    )
    assert both.any()
    assert not hole[both].any()
    assert (hole | both == united.samples[2].mask.decode()).all()


@pytest.mark.parametrize(("name", "author"), [("refcoco+", "unc"), ("refcocog", "umd")])
def test_the_other_editions(tmp_path, name, author):
    assert len(load(name, write_refcoco(tmp_path, name, author)).samples) == 4


def test_splits_by_google(tmp_path):
    root = write_refcoco(tmp_path, "refcocog", "google")
    assert len(load("refcocog", root, split_by="google").samples) == 4
    with pytest.raises(DataError, match=r"refs\(umd\)"):
        load("refcocog", root)


def test_another_number_of_expressions_is_a_warning(tmp_path):
    report = check_data("refcoco", write_refcoco(tmp_path))
    assert not report.errors
    assert "holds 4 expressions; papers report 10834" in " ".join(map(str, report.problems))


def test_a_pickle_that_asks_for_code_is_refused(tmp_path):
    root = write_refcoco(tmp_path)
    file = root / "refcoco" / "refs(unc).p"

    class Attack:
        def __reduce__(self):
            return (print, ("executed",))

    file.write_bytes(pickle.dumps([Attack()]))
    with pytest.raises(DataError, match=r"asks for builtins\.print.*could run code"):
        load("refcoco", root)
    file.write_bytes(b"\x80\x02]q\x00(}q")
    with pytest.raises(DataError, match="truncated or damaged"):
        load("refcoco", root)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image_id": 9}, "no image 9"),
        ({"ann_id": 9}, "no annotation 9"),
        ({"ann_id": "1"}, "'ann_id' must be a number"),
        ({"sentences": []}, "no 'sentences'"),
        ({"sentences": [{"sent_id": 1, "sent": " "}]}, "'sent_id' or a text"),
    ],
)
def test_a_damaged_reference_is_named_and_costs_itself(tmp_path, change, message):
    refs = [reference(1, 1, 1, "val", "left"), {**reference(2, 2, 1, "val", "right"), **change}]
    root = write_refcoco(tmp_path, refs=refs)
    [error] = check_data("refcoco", root).errors
    assert "refs[1] (ref 2)" in error.entry
    assert message in error.message
    dataset: Any = load("refcoco", root)
    assert [s.expression for s in dataset.readable] == ["left"]


def test_odd_annotations_are_read_as_the_notes_of_the_field_say(tmp_path):
    root = write_refcoco(tmp_path)
    file = root / "refcoco" / "instances.json"
    data = json.loads(file.read_text())
    data["annotations"][0]["segmentation"] = []
    data["annotations"][1]["segmentation"] = [[1, 2, 3, 4], RIGHT]
    file.write_text(json.dumps(data))
    samples = load("refcoco", root).samples
    assert samples[0].mask.is_empty
    assert samples[2].mask == Mask.from_polygons([RIGHT], SIZE)


def test_options_have_known_values(tmp_path):
    root = write_refcoco(tmp_path)
    with pytest.raises(DataError, match="split of RefCOCO must be one of val, testA"):
        load("refcoco", root, split="test")
    with pytest.raises(DataError, match="split_by of RefCOCO"):
        load("refcoco", root, split_by="umd")


def test_a_dataset_that_is_nowhere_says_where_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setenv("PIXFOUNDATION_DATA", str(tmp_path / "none"))
    for name, source in (("refcoco", "refer"), ("grefcoco", "FudanCVL"), ("reasonseg", "LISA")):
        with pytest.raises(DataError, match=source):
            load(name, None)


# ---- gRefCOCO ------------------------------------------------------------------------------------


def test_grefcoco_has_one_many_and_no_targets(tmp_path):
    samples = load("grefcoco", write_grefcoco(tmp_path)).samples
    assert [s.tags["targets"] for s in samples] == ["one", "many", "many", "none"]
    assert samples[1].mask == Mask.from_polygons([LEFT, RIGHT], SIZE)
    assert len(samples[1].parts) == 2
    assert samples[2].mask == Mask.from_polygons([RIGHT], SIZE), "crowds are left out"
    assert samples[3].mask.is_empty
    with_crowds = load("grefcoco", tmp_path, crowds="included").samples[2]
    assert with_crowds.mask.area > samples[2].mask.area


def test_grefcoco_may_be_a_pickle(tmp_path):
    root = write_grefcoco(tmp_path)
    file = root / "grefcoco" / "grefs(unc).json"
    file.with_suffix(".p").write_bytes(pickle.dumps(json.loads(file.read_text())))
    file.unlink()
    assert len(load("grefcoco", root).samples) == 4


def test_a_contradiction_about_the_target_is_an_error(tmp_path):
    refs = [reference(1, [1], 1, "val", "cup", no_target=True)]
    [error] = check_data("grefcoco", write_grefcoco(tmp_path, refs)).errors
    assert "'no_target' is True, but 'ann_id' is [1]" in error.message


# ---- ReasonSeg -----------------------------------------------------------------------------------


def test_reasonseg_has_ignored_regions_and_two_kinds_of_query(tmp_path):
    short, long = load("reasonseg", write_reasonseg(tmp_path)).samples
    assert (short.query, long.query) == (Query.PHRASE, Query.SENTENCE)
    assert (short.tags["query"], long.tags["query"]) == ("short", "long")
    assert short.mask.area == 49, "a small target lies on top of a larger ignored region"
    assert short.ignored is not None
    assert short.ignored.intersection(short.mask) == 0
    assert short.ignored.area == 21 * 14 - 16
    assert long.ignored is None


def test_all_queries_of_an_image_can_be_asked(tmp_path):
    samples = load("reasonseg", write_reasonseg(tmp_path), texts="all").samples
    assert [s.id for s in samples] == ["a", "a#2", "b"]
    assert [s.group for s in samples] == ["a", "a", "b"]


def test_a_larger_target_is_pierced_by_what_is_ignored():
    whole = Shape(((0, 0), (9, 0), (9, 9), (0, 9)), TARGET)
    inner = Shape(((3, 3), (5, 3), (5, 5), (3, 5)), IGNORED)
    drawn = draw_shapes([inner, whole], (10, 10))
    assert (drawn == IGNORED).sum() == 9
    assert (drawn == TARGET).sum() == 91


def test_of_shapes_of_equal_area_the_first_lies_on_top():
    first = Shape(((0, 0), (4, 0), (4, 4), (0, 4)), TARGET)
    second = Shape(((2, 2), (6, 2), (6, 6), (2, 6)), IGNORED)
    assert draw_shapes([first, second], (10, 10))[3, 3] == TARGET
    assert draw_shapes([second, first], (10, 10))[3, 3] == IGNORED


def test_a_file_in_code_page_1252_is_read(tmp_path):
    root = write_reasonseg(tmp_path)
    file = root / "val" / "a.json"
    data = json.loads(file.read_text())
    data["text"][0] = "the waiter’s cup"
    file.write_bytes(json.dumps(data, ensure_ascii=False).encode("cp1252"))
    assert load("reasonseg", root).samples[0].expression == "the waiter’s cup"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"text": []}, "'text' must be a list"),
        ({"text": [3]}, "not a text"),
        ({"is_sentence": "yes"}, "'is_sentence' must be true or false"),
        ({"shapes": None}, "'shapes' must be a list"),
        ({"shapes": [{"label": "target", "points": [[1, "x"]]}]}, r"shapes\[0\] has a point"),
        ({"shapes": [{"label": "target", "points": [[1, 1]]}]}, "has 1 point"),
        ({"shapes": [{"points": [[1, 1]]}]}, r"shapes\[0\] needs a text 'label'"),
    ],
)
def test_a_damaged_file_is_named(tmp_path, change, message):
    root = write_reasonseg(tmp_path)
    file = root / "val" / "a.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    [error] = check_data("reasonseg", root).errors
    assert error.file == file
    assert re.search(message, error.message)


def test_opencv_is_asked_for_by_name(tmp_path):
    try:
        import cv2  # noqa: F401  # pyright: ignore[reportMissingImports]
    except ImportError:
        with pytest.raises(PrerequisiteError, match="opencv-python-headless"):
            load("reasonseg", write_reasonseg(tmp_path), drawing="opencv")
    else:
        drawn = load("reasonseg", write_reasonseg(tmp_path), drawing="opencv").samples[0].mask
        own = load("reasonseg", tmp_path).samples[0].mask
        assert np.isclose(drawn.iou(own), 1, atol=0.05)


def test_reasonseg_says_which_folder_is_missing(tmp_path):
    with pytest.raises(DataError, match="test"):
        load("reasonseg", write_reasonseg(tmp_path), split="test")
