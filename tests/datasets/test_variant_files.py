"""Variants in the published layout of files are read as they stand, or refused with their line."""

import csv
import json

import numpy as np
import pytest

from pixfoundation.datasets import pixcvbench
from pixfoundation.datasets.pixmmvp import load
from pixfoundation.datasets.variant_files import find_variant, read_variant
from pixfoundation.errors import DataError
from pixfoundation.prompts import PromptTemplates, build_prompt
from pixfoundation.types import Protocol, Sample
from pixfoundation.variants import Generator, VariantPlan
from tests.datasets.layouts import (
    edit_json,
    write_image_variant,
    write_pixcvbench,
    write_pixmmvp,
    write_question_variant,
)

ROWS = {
    n: ("Q: Is it opne?\\n", "(a) Opne (b) Closed\\nInstruct:", "Answre.\\nAns:")
    for n in range(1, 5)
}


@pytest.fixture
def root(tmp_path):
    return write_pixmmvp(tmp_path / "data")


def masks(size=(8, 10), **changed):
    square = np.zeros(size, np.uint8)
    square[2:6, 3:7] = 1
    empty = np.zeros((12, 16), np.uint8)
    return {1: empty, 2: empty, 3: square, 4: empty}


def prompt(sample: Sample, protocol: Protocol = 2):
    built = build_prompt(sample, protocol, PromptTemplates())
    assert built is not None
    return built.text


def test_a_question_keeps_its_answer_and_brings_its_instruction(root):
    write_question_variant(root, 13, ROWS)
    data = load(root, variant="templates/03")
    third = data.samples[2]
    assert third.options == ("Opne", "Closed\nInstruct:")
    assert (third.answer, third.expression, third.mask.area) == ("a", "the door", 64)
    assert prompt(third) == (
        "Q: Is it opne?\n Options:\nA. Opne\nB. Closed\nInstruct:\nAnswre.\nAns:"
    )
    assert data.notes[-1] == "the variant templates/03 of the published files (Questions_13.csv)"
    assert data.fingerprint() != load(root).fingerprint()


def test_line_breaks_of_templates_can_stay_two_characters(root):
    write_question_variant(root, 13, ROWS)
    kept = load(root, variant="templates/03", escapes="kept").samples[2]
    assert prompt(kept).endswith("B. Closed\\nInstruct:\nAnswre.\\nAns:")


def test_a_number_names_a_variant_if_only_one_kind_has_it(root):
    write_question_variant(root, 13, ROWS)
    assert load(root, variant=13).samples == load(root, variant="templates/03").samples
    write_image_variant(root, 13, masks())
    with pytest.raises(
        DataError, match=r"may be any of templates/03 .*, maskout/03 .*as templates"
    ):
        load(root, variant="13")


def test_an_image_has_the_size_of_its_mask_and_not_that_of_its_entry(root):
    write_image_variant(root, 0, masks())
    data = load(root, variant="crop/00")
    assert [sample.size for sample in data.samples] == [(12, 16), (12, 16), (8, 10), (12, 16)]
    assert [sample.mask.area for sample in data.samples] == [0, 0, 16, 0]
    assert [len(sample.parts) for sample in data.samples] == [0, 0, 1, 0]
    assert data.samples[2].image.parts[-3:] == ("var_00", "MMVP Images", "3.jpg")
    assert not [p for p in data.check() if p.severity == "error"]


def test_images_and_annotations_may_lie_in_a_folder_of_their_own(root, tmp_path):
    write_image_variant(root, 0, masks())
    (root / "MMVP_Prompts_Sensitivity").rename(tmp_path / "elsewhere")
    with pytest.raises(DataError, match=r"expected Segmentations_00\.json in one of"):
        load(root, variant="crop/00")
    data = load(root, variant="crop/00", variant_files=tmp_path / "elsewhere")
    assert data.samples[2].size == (8, 10)


def test_templates_of_protocol_3_are_rows_of_one_file(root):
    (root / "lang_grounding_templates.csv").write_text(
        'Index,Template\n0,Cna you find {}?\n1,"Show {it}, {} now\\n"\n'
    )
    with pytest.raises(DataError, match=r"holds 2 templates, so there is no grounding/07"):
        load(root, variant="grounding/07")
    (root / "lang_grounding_templates.csv").write_text("Index,Template\n0,a {}\n1,b\n")
    with pytest.raises(DataError, match=r"line 3: a template of protocol 3 has one \{\}"):
        load(root, variant="grounding/01")
    (root / "lang_grounding_templates.csv").write_text('Index,Template\n0,"Show {it}, {} now"\n')
    data = load(root, variant="grounding/00")
    assert prompt(data.samples[2], 3) == "Show {it}, the door now"
    assert build_prompt(data.samples[0], 3, PromptTemplates()) is None


def test_expressions_are_stripped_and_none_stays_none(root):
    (root / "Objects_variations.csv").write_text(
        "Index, Object\n1, Nnoe \n2, Nnoe \n3, teh door \n4, the door \n"
    )
    data = load(root, variant="expression-typos/00")
    assert [s.expression for s in data.samples] == [None, None, "teh door", "the door"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda rows: rows.pop(3), r"lacks 1 of 4 samples, such as '3'"),
        (lambda rows: rows.update({9: rows[1]}), r"1 of its ids are not in the dataset.*'9'"),
        (lambda rows: rows.update({3: ("Is?", "(a) One", "x")}), r"line 4: a question needs two"),
        (lambda rows: rows.update({3: ("", "(a) A (b) B", "x")}), r"line 4: has an empty question"),
        (
            lambda rows: rows.update({3: ("Is?", "(a) A (b) B (c) C", "x")}),
            r"line 4: has 3 options, but sample 3 has 2",
        ),
    ],
)
def test_rows_that_do_not_fit_the_dataset_are_named(root, change, said):
    rows = dict(ROWS)
    change(rows)
    write_question_variant(root, 0, rows)
    with pytest.raises(DataError, match=said):
        load(root, variant="typos/00")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d["annotations"].pop(2), r"image 3 \(sample 3\) has no annotation"),
        (lambda d: d["annotations"][2].update(segmentation=[[1, 2, 3, 4, 5, 6]]), "is no run-leng"),
        (lambda d: d["annotations"][2]["segmentation"].update(counts="AAAA"), "do not fill a mask"),
        (lambda d: d["annotations"][2]["segmentation"].update(size=[10, 8]), "of different sizes"),
        (lambda d: d["images"].pop(2), r"is of image 3, which is unknown"),
    ],
)
def test_annotations_that_do_not_fit_the_images_are_named(root, change, said):
    edit_json(write_image_variant(root, 0, masks()), change)
    with pytest.raises(DataError, match=said):
        load(root, variant="crop/00")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("crop/10", "numbered from 00 to 09"),
        ("flip/00", "holds no variants of the kind 'flip'"),
        ("crops", "Expected a variant as typos/03"),
        ("7", "holds no file of a variant with the number 07"),
    ],
)
def test_a_variant_that_the_layout_does_not_have_is_refused(root, name, said):
    with pytest.raises(DataError, match=said):
        load(root, variant=name)


def test_a_table_of_cv_bench_holds_its_choices_as_one_text(tmp_path):
    from pyarrow import Table, parquet

    root = write_pixcvbench(tmp_path)
    table = parquet.read_table(root / "CV-Bench" / "test.parquet")
    rows = [
        {
            **row,
            "question": "Hwo many?",
            "choices": " ".join(f"({'ABC'[i]}) {c}x" for i, c in enumerate(row["choices"])),
            "prompt": "Hwo many? (A) 0x (B) 2x. Answre.",
            "question_extension": "Answre.",
        }
        for row in table.to_pylist()
    ]
    parquet.write_table(Table.from_pylist(rows), root / "CV-Bench" / "test_03.parquet")
    data = pixcvbench.load(root, variant="typos/03")
    plain = pixcvbench.load(root)
    assert [s.expression for s in data.samples] == [s.expression for s in plain.samples]
    assert data.samples[0].options == ("0x", "2x", "3x")
    assert prompt(data.samples[0]).endswith("\nAnswre.")
    assert prompt(data.samples[0], 1) == "Hwo many? (A) 0x (B) 2x. Answre."


def test_files_hold_what_the_published_generator_makes(shared, tmp_path):
    samples = load(shared / "data" / "pixmmvp").samples
    plan = VariantPlan(("typos", "templates"), generator=Generator.PUBLISHED)
    made = {}
    for varied in plan.vary(samples):
        made.setdefault(varied.variant, []).append(varied)
    for variant, number in (("typos/09", 9), ("templates/04", 14)):
        own = next(v for k, v in made.items() if str(k) == variant)
        rows = {
            int(v.sample.id): (
                v.sample.question,
                "(a) {} (b) {}".format(*v.sample.options),
                v.templates.letter_instruction,
            )
            for v in own
        }
        write_question_variant(tmp_path, number, rows)
        assert read_variant(find_variant(variant, tmp_path), samples) == own


def test_the_file_of_a_variant_is_written_as_tables_are(root):
    """A cell may hold commas and quotes."""
    rows = {n: ('Is it "open", or not?', "(a) A, b (b) C", "x") for n in ROWS}
    path = write_question_variant(root, 0, rows)
    assert len(list(csv.reader(path.open()))) == 5
    assert load(root, variant=0).samples[0].question == 'Is it "open", or not?'
    assert json.loads((root / "Segmentations.json").read_text())["images"][0]["width"] == 16
