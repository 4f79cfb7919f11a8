"""Datasets that pair answers with evidence: their published layouts, and runs over them."""

import json
from typing import Any

import pytest

import pixfoundation as pf
from pixfoundation.datasets import datasets
from pixfoundation.datasets.checking import check_data
from pixfoundation.errors import DataError, RunError
from pixfoundation.runs.importing import Outputs, import_outputs
from pixfoundation.scoring.options import PromptCase
from pixfoundation.scoring.score import score
from pixfoundation.variants import VariantPlan
from tests.datasets.evidence_layouts import (
    block,
    treebench_row,
    write_multihopspatial,
    write_treebench,
    write_vistaqa,
    write_vizwiz,
    write_vstar,
)
from tests.doubles import BrightModel, DiscSegmenter


def load(name, root):
    return datasets.get(name)(root)


# ---- samples -------------------------------------------------------------------------------------


def test_vistaqa_has_free_answers_and_cases_without_evidence(tmp_path):
    with_evidence, without = load("vistaqa", write_vistaqa(tmp_path)).samples
    assert [with_evidence.id, without.id] == ["2", "10"]
    assert with_evidence.references == ("two cups",)
    assert len(with_evidence.parts) == 2
    assert with_evidence.tags["task_type"] == "counting"
    assert without.mask.is_empty
    assert without.has_truth
    assert [with_evidence.asks(p) for p in (1, 2, 3)] == [True, False, False]


def test_vizwiz_has_an_answer_and_a_mask(tmp_path):
    [sample] = load("vizwiz-grounding", write_vizwiz(tmp_path)).samples
    assert sample.references == ("a can",)
    assert sample.mask == block(1, 1, 9, 9)


def test_vstar_has_boxes_and_does_not_show_the_right_option_first(tmp_path):
    one, two = load("vstar", write_vstar(tmp_path)).samples
    assert one.options == ("The scarf is blue.", "The scarf is red.")
    assert one.answer == "b"
    assert one.boxes == ((2.0, 3.0, 8.0, 8.0),)
    assert two.expression == "dog and car"
    assert two.mask.area == 6 * 5 + 5 * 5


def test_multihopspatial_has_options_within_the_question(tmp_path):
    [sample] = load("multihopspatial", write_multihopspatial(tmp_path)).samples
    assert sample.question == "Which red thing is left of the box?"
    assert (sample.options, sample.answer) == (("cup", "hat"), "b")
    assert sample.boxes == ((4.0, 2.0, 14.0, 10.0),)
    assert sample.tags == {"hop": "2hop", "view": "ego"}


def test_treebench_takes_its_images_from_the_table_once(tmp_path):
    [sample] = load("treebench", write_treebench(tmp_path)).samples
    assert sample.options == ("a cup", "a hat")
    assert sample.answer == "b"
    assert sample.boxes == ((4.0, 2.0, 14.0, 10.0), (20.0, 0.0, 30.0, 5.0))
    assert sample.image == tmp_path / "images" / "3.jpg"
    before = sample.image.stat().st_mtime_ns
    load("treebench", tmp_path)
    assert sample.image.stat().st_mtime_ns == before


# ---- scores --------------------------------------------------------------------------------------


def test_a_right_choice_with_the_right_box_is_grounded(tmp_path):
    data = load("multihopspatial", write_multihopspatial(tmp_path / "data"))
    answers = tmp_path / "answers.jsonl"
    line = {"question_id": 7, "prompt": "x", "response": "(b)", "model_id": "m", "answer": "(b)"}
    answers.write_text(json.dumps(line))
    for mask, expected in ((block(2, 4, 10, 14), 1.0), (block(12, 4, 18, 14), 0.0)):
        masks = tmp_path / "masks.json"
        masks.write_text(json.dumps([{"sample": "7", "segmentation": mask.to_json()}]))
        outputs = Outputs(1, masks=masks, answers=answers)
        run = import_outputs(data, outputs, tmp_path / f"run{expected}", model="m").run
        own = score(run).boxes[1, "native"]
        assert own.accuracy.value == expected
        assert own.iou.value == pytest.approx(expected)
        assert own.right_and_grounded is not None
        assert own.right_and_grounded.value == expected


def test_evidence_without_an_expression_is_scored(tmp_path):
    data = load("vistaqa", write_vistaqa(tmp_path / "data"))
    masks, answers = tmp_path / "masks.json", tmp_path / "answers.jsonl"
    entries = [{"sample": s.id, "segmentation": s.mask.to_json()} for s in data.samples]
    masks.write_text(json.dumps(entries))
    texts = {"2": "There are two cups.", "10": "Nothing."}
    lines = [
        json.dumps({"question_id": int(id), "prompt": "x", "response": t, "model_id": "m"})
        for id, t in texts.items()
    ]
    answers.write_text("\n".join(lines))
    outputs = Outputs(1, masks=masks, answers=answers)
    run = import_outputs(data, outputs, tmp_path / "run", model="m").run
    scores = score(run)
    assert scores.groundings[1, "native"].present.value == 1.0
    assert scores.groundings[1, "native"].present.n == 2
    assert scores.accuracy[1].question.value == 0.5
    assert scores.lead.grove is not None
    assert scores.lead.grove.value == pytest.approx(0.5)


# ---- bad input -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("vistaqa", write_vistaqa),
        ("vizwiz-grounding", write_vizwiz),
        ("vstar", write_vstar),
        ("multihopspatial", write_multihopspatial),
        ("treebench", write_treebench),
    ],
)
def test_nothing_is_wrong_with_a_good_folder_and_an_empty_one_is_named(tmp_path, name, write):
    good, empty = tmp_path / "good", tmp_path / "empty"
    good.mkdir()
    empty.mkdir()
    assert not check_data(name, write(good)).errors
    with pytest.raises(DataError, match=str(empty)):
        load(name, empty)


def edited(root, file, **changes):
    path = root / file
    data = json.loads(path.read_text())
    target = data[0] if isinstance(data, list) else data
    target.update(changes)
    path.write_text(json.dumps(data))
    return root


@pytest.mark.parametrize(
    ("name", "write", "file", "changes", "message"),
    [
        ("vistaqa", write_vistaqa, "annotations/2.json", {"answer": 3}, "'answer' must be a text"),
        ("vistaqa", write_vistaqa, "annotations/2.json", {"annotations": None}, "must be a list"),
        ("vistaqa", write_vistaqa, "annotations/2.json", {"image": {}}, "'file_name' must be"),
        ("vstar", write_vstar, "direct_attributes/sa_1.json", {"bbox": [[1, 2, 3]]}, "a box is"),
        ("vstar", write_vstar, "direct_attributes/sa_1.json", {"options": []}, "'options' must be"),
        (
            "multihopspatial",
            write_multihopspatial,
            "data/multihop_test_4500.json",
            {"answer": "(e) dog"},
            "is no option",
        ),
        (
            "multihopspatial",
            write_multihopspatial,
            "data/multihop_test_4500.json",
            {"question": "Which?"},
            "<choice>",
        ),
    ],
)
def test_a_bad_entry_is_named_with_its_file(tmp_path, name, write, file, changes, message):
    [error] = check_data(name, edited(write(tmp_path), file, **changes)).errors
    assert error.file == tmp_path / file
    assert message in error.message


@pytest.mark.parametrize(
    ("name", "write", "file"),
    [
        ("vistaqa", write_vistaqa, "annotations/2.json"),
        ("vstar", write_vstar, "direct_attributes/sa_1.json"),
    ],
)
def test_a_damaged_file_costs_itself(tmp_path, name, write, file):
    (write(tmp_path) / file).write_text("{")
    report = check_data(name, tmp_path)
    [error] = report.errors
    assert error.file == tmp_path / file
    assert report.facts["samples"] == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"answer": "D"}, "one of 2 options"),
        ({"image": "?"}, "not an image in base64"),
        ({"target_instances": "[[1, 2]]"}, r"no [x0, y0, x1, y1]"),
        ({"target_instances": "__import__('os')"}, "no list of boxes"),
        ({"index": "../3"}, "'index' must be a number"),
    ],
)
def test_a_bad_row_of_treebench_is_named(tmp_path, changes, message):
    [error] = check_data("treebench", write_treebench(tmp_path, treebench_row(**changes))).errors
    assert message in error.message
    assert "row 0" in error.entry


@pytest.mark.parametrize(
    ("name", "write"),
    [("vstar", write_vstar), ("vistaqa", write_vistaqa)],
)
def test_a_run_with_variants_is_scored_and_summarised(tmp_path, name, write):
    (tmp_path / "data").mkdir()
    data = load(name, write(tmp_path / "data"))
    plan = VariantPlan(("typos", "rotate", "other-image"), 2)
    segmenter: Any = DiscSegmenter()
    run = pf.evaluate(
        BrightModel(), data, segmenter, out=tmp_path / "run", variants=plan
    )  # with a chance level of more masks than the model gives
    options = pf.ScoreOptions(replicates=20)
    whole = pf.score(run, options)
    assert "random" in whole.selectors
    summary = pf.measure_sensitivity(run, options)
    assert "it has no partner" in summary.skipped["other-image"]
    assert pf.score(run, pf.ScoreOptions(prompts=PromptCase.MEAN, replicates=20)) is not None
    if name == "vistaqa":
        with pytest.raises(RunError, match=r"has a referring expression.*Choose 1 .*`protocol`"):
            pf.analyse(run)
