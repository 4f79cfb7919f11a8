"""Each kind of variants changes what it names, the same way whatever stands around a sample."""

import numpy as np
import pytest
from PIL import Image

from pixfoundation.errors import DataError, UnknownNameError
from pixfoundation.masks import Mask
from pixfoundation.prompts import PromptTemplates, QuestionTemplate
from pixfoundation.types import Sample
from pixfoundation.variants import (
    Generator,
    TypoCounts,
    Variant,
    VariantPlan,
    VariantSettings,
    VariedSample,
    kinds,
)
from pixfoundation.variants.changes import Compress, Crop, Flip, Hide, Rotate, image_change
from pixfoundation.variants.typos import misspell
from pixfoundation.variants.visual import LEAST_AREA, SMALLEST_SIDE
from pixfoundation.variants.wording import (
    GROUNDING_TEMPLATES,
    box_wording,
    check_grounding_template,
    read_templates,
)

NONE = Variant("none", 0)
ALL = tuple(entry.name for entry in kinds)


def make(number=0, size=(120, 160), box=(30, 20, 110, 90), **fields):
    array = np.zeros(size, bool)
    if box:
        array[box[1] : box[3], box[0] : box[2]] = True
    values = {
        "id": str(number),
        "image": f"{number}.png",
        "size": size,
        "question": "Are the butterfly's wings closer to being open or closed?",
        "options": ("Open", "Closed"),
        "answer": "ab"[number % 2],
        "expression": "the butterfly's wings",
        "mask": Mask.from_array(array),
        "pair": str(number // 2),
    }
    return Sample(**{**values, **fields})


def vary(kind, samples=None, per_kind=3, **settings):
    plan = VariantPlan((kind,), per_kind, settings=VariantSettings(**settings))
    return list(plan.vary(samples or [make(0), make(1)]))


def texts(varied, protocol):
    prompt = varied.templates.build(varied.sample, protocol, PromptTemplates())
    return prompt.text


@pytest.mark.parametrize("kind", ALL)
def test_a_sample_varies_alike_alone_and_among_others(kind):
    samples = [make(0), make(1), make(2), make(3)]
    together = {(v.sample.id, v.variant): v for v in vary(kind, samples)}
    alone = vary(kind, samples[2:])
    assert alone
    assert all(together[v.sample.id, v.variant] == v for v in alone)


@pytest.mark.parametrize("kind", ALL)
def test_another_seed_or_index_draws_anew_and_the_same_seed_does_not(kind):
    first = list(VariantPlan((kind,), 2, seed=1).vary([make(0), make(1)]))
    assert first == list(VariantPlan((kind,), 2, seed=1).vary([make(0), make(1)]))


@pytest.mark.parametrize("kind", ALL)
def test_only_the_prompts_of_its_protocols_change(kind):
    plain = make(0)
    protocols = kinds.get(kind).aspect.protocols
    for varied in vary(kind):
        if varied.skipped or varied.sample.id != "0":
            continue
        for protocol in (1, 2, 3):
            if protocol not in protocols:
                assert texts(varied, protocol) == texts(VariedSample(NONE, plain), protocol)


@pytest.mark.parametrize("seed", range(30))
def test_typos_keep_the_ends_and_change_as_many_characters_as_named(seed):
    text = "Are the wings open?"
    changed = misspell(text, 3, np.random.default_rng(seed))
    assert changed[:2] == text[:2]
    assert changed[-2:] == text[-2:]
    assert len(changed) - len(text) in (3, 0, -3)
    if len(changed) == len(text):
        assert sorted(changed) == sorted(text)
        assert [i for i, c in enumerate(changed) if c == " "] == [3, 7, 13]
        assert sum(a != b for a, b in zip(changed, text, strict=True)) in (4, 6)


def test_the_number_of_typos_is_a_setting():
    none = TypoCounts(question=0, instruction=0, option=0)
    (varied, *_) = vary("typos", typos=none)
    assert (
        texts(varied, 1)
        == "Are the butterfly's wings closer to being open or closed? (a) Open (b) Closed"
    )
    with pytest.raises(DataError, match="at least 0"):
        TypoCounts(question=-1)


def test_a_template_stands_around_question_options_and_instruction():
    varied = vary("templates")[0]
    assert texts(varied, 2) == (
        "Ques:Are the butterfly's wings closer to being open or closed?\n Options:\nA. Open\n"
        "B. Closed\nInstruct:\n"
        "Answer with the option's letter from the given choices directly.\nAns:"
    )
    assert texts(varied, 1) == (
        "Ques:Are the butterfly's wings closer to being open or closed?\n (a) Open (b) Closed"
    )


def test_templates_are_the_same_for_all_samples_and_the_default_is_not_counted_as_changed():
    by_index = {}
    for varied in vary("templates", per_kind=10):
        by_index.setdefault(varied.variant.index, set()).add(varied.templates)
        assert varied.altered == (varied.variant.index != 8)
    assert len(by_index) == 10
    assert all(len(group) == 1 for group in by_index.values())


@pytest.mark.parametrize("text", ["{}|{}", "{}|{}|", "{}{}|{}|{}", ""])
def test_a_question_template_without_its_three_places_is_refused(text):
    with pytest.raises(DataError, match="template"):
        QuestionTemplate.parse(text)


def test_there_are_six_distinct_grounding_templates():
    assert len(vary("grounding", [make(0)], per_kind=10)) == len(set(GROUNDING_TEMPLATES)) == 6
    assert (
        texts(vary("grounding", [make(0)])[1], 3)
        == "Can you segment the butterfly's wings in this image?"
    )
    with pytest.raises(DataError, match=r"one \{\}"):
        vary("grounding", grounding=("Segment it.",))


def test_a_template_may_hold_other_braces():
    (varied, *_) = vary(
        "grounding", [make(0)], grounding=('Answer {"box": []} for {}.'.replace("{}", "{}"),)
    )
    assert texts(varied, 3) == 'Answer {"box": []} for the butterfly\'s wings.'


def test_models_that_answer_with_boxes_are_asked_for_boxes():
    assert box_wording(GROUNDING_TEMPLATES[5]) == (
        "Locate the {} and output a tight box. If the object does not exist in the image dont "
        "generate any boxes."
    )


@pytest.mark.parametrize("index", range(10))
def test_a_crop_keeps_enough_of_object_and_image(index):
    plain = make(0)
    varied = vary("crop", [plain], per_kind=10)[index]
    assert isinstance(varied.change, Crop)
    assert min(varied.sample.size) >= SMALLEST_SIDE
    assert plain.mask.area * LEAST_AREA < varied.sample.mask.area < plain.mask.area
    assert varied.sample.mask == varied.change.apply_to_mask(plain.mask)


def test_crops_cut_on_all_four_sides():
    changes = [v.change for v in vary("crop", [make(0)], per_kind=30)]
    boxes = {change.box for change in changes if isinstance(change, Crop)}
    for side, whole in enumerate((0, 0, 160, 120)):
        assert any(box[side] != whole for box in boxes)


@pytest.mark.parametrize("index", range(10))
def test_a_hidden_part_leaves_the_ground_truth_but_not_all_of_it(index):
    plain = make(0)
    varied = vary("maskout", [plain], per_kind=10)[index]
    hidden = plain.mask.area - varied.sample.mask.area
    assert isinstance(varied.change, Hide)
    assert plain.mask.area * LEAST_AREA < hidden < plain.mask.area
    white = Image.new("RGB", (160, 120), (255, 255, 255))
    x0, y0, x1, y1 = varied.change.box
    assert (np.asarray(varied.change.apply(white)) == 0).all(-1).sum() == (x1 - x0) * (y1 - y0)


@pytest.mark.parametrize("kind", ["crop", "maskout"])
def test_an_absent_object_is_a_named_skip(kind):
    (varied, *_) = vary(kind, [make(0, box=None)])
    assert varied.skipped
    assert "no object" in varied.skipped
    assert not varied.altered


def test_a_crop_that_would_leave_under_30_pixels_is_a_named_skip():
    (varied, *_) = vary("crop", [make(0, size=(20, 160), box=(10, 2, 60, 18))])
    assert varied.skipped
    assert "30 pixels" in varied.skipped


@pytest.mark.parametrize(
    ("fields", "skipped"),
    [
        ({}, None),
        ({"question": "Is it on the left?"}, "left"),
        ({"options": ("Facing away", "Not"), "answer": "a"}, "facing"),
        ({"expression": "the rightmost car"}, "rightmost"),
    ],
)
def test_what_speaks_of_sides_is_not_mirrored(fields, skipped):
    (varied,) = vary("flip", [make(0, **fields)])
    assert (varied.skipped is None) == (skipped is None)
    if skipped is not None:
        assert skipped in (varied.skipped or "")


def test_the_other_image_of_a_pair_brings_its_own_truth():
    first, second = make(0), make(1, box=(0, 0, 10, 10))
    varied = vary("other-image", [first, second])[0]
    assert varied.sample.id == "0"
    assert (varied.sample.image, varied.sample.answer) == (second.image, second.answer)
    assert varied.sample.mask == second.mask
    (alone,) = vary("other-image", [first])
    assert alone.skipped == "it has no partner"


@pytest.mark.parametrize(
    "change", [Crop((1, 2, 30, 40)), Hide((1, 2, 3, 4)), Flip(), Rotate(-3.5), Compress(20)]
)
def test_a_change_treats_image_and_mask_alike_and_can_be_stored(change):
    assert image_change(change.to_json()) == change
    array = np.zeros((60, 50), bool)
    array[20:45, 10:40] = True
    image = Image.fromarray(np.uint8(255) * array).convert("RGB")
    mask = change.apply_to_mask(Mask.from_array(array))
    changed = np.asarray(change.apply(image).convert("L")) > 127
    assert mask.size == changed.shape
    assert mask.iou(Mask.from_array(changed)) > 0.95


@pytest.mark.parametrize("data", [{}, {"crop": [1]}, {"rotate": "x"}, {"blur": 3}, {"crop": None}])
def test_a_damaged_change_is_refused(data):
    with pytest.raises(DataError, match="Not a change"):
        image_change(data)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kinds": ()}, "at least one"),
        ({"kinds": ("typos", "typos")}, "named twice"),
        ({"kinds": ("typos",), "per_kind": 0}, "per_kind"),
        ({"kinds": ("typos",), "seed": -1}, "seed"),
        ({"kinds": ("flip",), "generator": Generator.PUBLISHED}, "makes no variants"),
        ({"kinds": ("crop",), "seed": 1, "generator": Generator.PUBLISHED}, "2024"),
    ],
)
def test_a_plan_that_cannot_be_made_is_refused(arguments, message):
    with pytest.raises(DataError, match=message):
        VariantPlan(**arguments)


def test_an_unknown_kind_is_named_with_a_near_match():
    with pytest.raises(UnknownNameError, match="Did you mean 'typos'"):
        VariantPlan(("typo",))


def test_the_published_plan_has_as_many_variants_as_the_published_files():
    samples = [make(0), make(1)]
    plan = VariantPlan(
        ("typos", "templates", "grounding", "expression-typos", "crop", "maskout"),
        per_kind=20,
        generator=Generator.PUBLISHED,
    )
    counts = {}
    for varied in plan.vary(samples):
        counts[varied.variant.kind] = counts.get(varied.variant.kind, 0) + 1
    assert counts == {
        "typos": 20,
        "templates": 20,
        "grounding": 28,
        "expression-typos": 2,
        "crop": 20,
        "maskout": 20,
    }
    with pytest.raises(DataError, match="not public"):
        VariantPlan(("paraphrases",), generator=Generator.PUBLISHED).variants()


def test_published_templates_keep_their_line_breaks_as_two_characters():
    plan = VariantPlan(("templates",), 1, generator=Generator.PUBLISHED)
    varied = next(plan.vary([make(0), make(1)]))
    assert texts(varied, 1).startswith("Ques:Are the butterfly's wings closer to being open or")
    assert "\\n" in texts(varied, 1)
    assert "\n" not in texts(varied, 1)


def test_a_template_that_is_not_valid_is_named_by_its_row(tmp_path):
    file = tmp_path / "templates.csv"
    file.write_text("Template\nSegment {}.\nSegment the thing.\n")
    assert read_templates(file) == ["Segment {}.", "Segment the thing."]
    with pytest.raises(DataError, match=r"templates.csv, row 2: A template of protocol 3 has one"):
        read_templates(file, check=check_grounding_template)
