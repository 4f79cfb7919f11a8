"""The published generators, draw by draw."""

import random
import string
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pixfoundation.datasets.pixmmvp import load
from pixfoundation.errors import DataError
from pixfoundation.masks import Mask
from pixfoundation.types import Sample
from pixfoundation.variants import Generator, VariantPlan, published
from pixfoundation.variants.changes import PublishedColours, image_change

ROWS = [
    published.QuestionRow("Are the wings closer to being open or closed?", "(a) Open (b) Closed"),
    published.QuestionRow("Is it on the left or on the right?", "(a) Left (b) No"),
]


def masks_of(size=(64, 80)):
    square = np.zeros(size, bool)
    square[10:50, 5:60] = True
    sparse = np.zeros(size, bool)
    sparse[[10, 40], [5, 70]] = True
    return [Mask.from_array(square), Mask.empty(size), Mask.from_array(sparse)]


@pytest.mark.parametrize("seed", range(6))
def test_typos_are_of_one_kind_and_use_the_two_streams_in_order(seed):
    text = "Are the wings closer to being open or closed?"
    numbers, letters = np.random.RandomState(seed), random.Random(seed)
    kind, places = numbers.randint(3), numbers.randint(2, len(text) - 2, 3)
    expected = list(text)
    for place in places:
        if kind == 1:
            expected.insert(place, letters.choice(string.ascii_letters))
        elif kind == 2:
            del expected[place : place + 1]
        else:
            other = place - 1 if expected[place + 1] == " " else place + 1
            expected[place], expected[other] = expected[other], expected[place]
    assert published.Draws(seed).misspell(text, 3) == "".join(expected)


def test_a_short_text_uses_up_the_draw_of_the_kind():
    draws, numbers = published.Draws(5), np.random.RandomState(5)
    assert draws.misspell_if_long_enough("No", 1) == "No"
    numbers.randint(3)
    assert draws.numbers.randint(1000) == numbers.randint(1000)


def test_templates_vary_by_sample_and_go_on_with_the_stream_of_the_last_typos():
    variants = published.question_variants(ROWS)
    assert len(variants) == 20
    assert all(v[0].question.startswith("Ques:Are the wings") for v in variants[10:])
    assert len({v[0].instruction for v in variants}) > 15
    with_paraphrases = published.question_variants(ROWS, [["a text"] * 10, ["another"] * 10])
    assert with_paraphrases[:20] == variants
    assert [q.question for q in with_paraphrases[20]] == ["a text", "another"]


def test_options_keep_their_letters_and_short_ones_their_text():
    for variant in published.question_variants(ROWS)[:10]:
        assert variant[0].options.startswith("(a) ")
        assert "(b) " in variant[0].options
        assert variant[1].options.endswith("(b) No")


def test_line_breaks_of_templates_stay_two_characters_unless_asked():
    assert "\\n" in published.question_variants(ROWS)[10][0].question
    assert "\n" in published.question_variants(ROWS, escaped=False)[10][0].question


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([published.QuestionRow("Which of them is it then?", "(a) One")], "has no option (b)"),
        (
            [published.QuestionRow("Is it a || b or rather ||| c?", "(a) One (b) Two")],
            "holds a '|'",
        ),
    ],
)
def test_questions_that_the_generator_cannot_take_are_named(rows, message):
    with pytest.raises(DataError, match=r"Question 1") as caught:
        published.question_variants(rows)
    assert message in str(caught.value)


def test_grounding_templates_for_boxes_say_boxs():
    masks, boxes = published.grounding_variants()
    assert len(masks) == len(boxes) == 14
    assert all(text.count("{}") == 1 for text in masks + boxes)
    untouched = published.grounding_variants(0)
    assert untouched == ([], [])
    assert published._published_box_wording("any masks") == "any boxs"


def test_a_crop_keeps_the_upper_left_of_the_object():
    square, none, sparse = published.crops(masks_of(), 0)
    share = 0.5 + np.random.RandomState(2024).rand() * 0.3
    assert square is not None
    assert square.box == (0, 0, 5 + max(int(55 * share), 30), 10 + max(int(40 * share), 30))
    assert none is None
    assert sparse is not None


def test_a_hidden_box_is_drawn_once_and_then_moved_to_the_corner():
    square, none, sparse = published.hidden_boxes(masks_of(), 10)
    numbers = np.random.RandomState(2034)
    share = numbers.rand() * 0.8
    drawn = numbers.randint(5, 60), numbers.randint(10, 50)
    assert none is None
    if square is not None:
        assert square.box[:2] in (drawn, (5, 10))
        assert square.box[2] - square.box[0] <= int(55 * share)
    assert sparse is None or sparse.apply_to_mask(masks_of()[2]).area == 1


def test_the_counts_over_the_published_masks(shared):
    masks = [sample.mask for sample in load(shared / "data" / "pixmmvp").samples]
    crops = [published.crops(masks, index) for index in range(10)]
    hidden = [published.hidden_boxes(masks, index) for index in range(10, 20)]
    with_mask = sum(not mask.is_empty for mask in masks)
    assert with_mask == 247
    done = [sum(change is not None for variant in v for change in variant) for v in (crops, hidden)]
    assert done == [2355, 558 + 587]


def test_the_published_colours_darken_half_of_the_levels_and_swap_red_and_blue():
    ramp = np.stack([np.arange(256, dtype=np.uint8)] * 3, axis=-1)[None]
    ramp[..., 2] = 0
    out = np.asarray(PublishedColours().apply(Image.fromarray(ramp)))
    assert (out[..., 0] == 0).all()
    change = ramp[0, :, 0].astype(int) - out[0, :, 2]
    assert set(change) == {0, 1}
    assert 0.3 < change.mean() < 0.7
    again = image_change(PublishedColours().to_json())
    assert again == PublishedColours()


def cv_bench_sample(options=("0", "2", "3")):
    lettered = "\n".join(f"({'ABC'[i]}) {text}" for i, text in enumerate(options))
    question = "How many organs are in the image?"
    return Sample(
        id="0",
        image=Path("a.jpg"),
        size=(8, 8),
        question=question,
        options=options,
        answer="c",
        expression="organ",
        mask=Mask.empty((8, 8)),
        prompt=f"{question} Select from the following choices.\n{lettered}",
    )


def test_questions_of_cv_bench_keep_all_options_and_change_in_their_prompt():
    sample = cv_bench_sample()
    plan = VariantPlan(("typos",), 2, generator=Generator.PUBLISHED)
    (text,) = published.question_variants(
        [published.QuestionRow(sample.question or "", ("(A) 0", "(B) 2", "(C) 3"))]
    )[1]
    varied = list(plan.vary([sample]))[1]
    assert varied.sample.options == ("0", "2", "3")
    assert varied.sample.prompt == (
        f"{text.question} Select from the following choices.\n{text.options}. {text.instruction}"
    )


def test_what_the_published_generator_cannot_make_of_a_part_is_refused():
    plan = VariantPlan(("templates",), generator=Generator.PUBLISHED)
    with pytest.raises(DataError, match="draws go on from those of questions that it does not"):
        list(plan.vary([cv_bench_sample()]))
    with pytest.raises(DataError, match="Sample 0 has 3 options, but the published generator"):
        list(plan.vary([replace(cv_bench_sample(), prompt=None)]))
