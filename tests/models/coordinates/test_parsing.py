"""Coordinates in every form that models write them, brought to the pixels of the image."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pixfoundation.errors import DataError
from pixfoundation.masks import Mask
from pixfoundation.models import models
from pixfoundation.models.base import Decoding
from pixfoundation.models.card import find_checkpoint, known_checkpoints
from pixfoundation.models.coordinates.adapter import VISION_TEMPLATES, PointingModel, load
from pixfoundation.models.coordinates.formats import FRAMES, CoordinateFormat
from pixfoundation.models.coordinates.placing import parse_regions, read_places
from pixfoundation.prompts import build_prompt
from pixfoundation.types import Answer, Region, Sample
from tests.doubles import BrightModel

SIZE = (100, 200)


def coordinates(text, frame="thousand", **options):
    return [region.coordinates for region in parse_regions(text, frame, SIZE, **options)]


@pytest.mark.parametrize(
    "text",
    [
        '```json\n[{"point_2d": [500, 250], "label": "door"}]\n```',
        'Here: ```\n[{"point_2d": [500, 250], "label": "door"}]\n``` as asked.',
        '[{"point_2d": [500, 250], "label": "door"}]',
        '{"point_2d": [500, 250], "label": "door"}',
        'It is at {"point": [500, 250], "label": "door"} here.',
        '```json\n[{"point_2d": [500, 250], "label": "door"}, {"point_2d": [7',
        '[{"point_2d": [500, 250], "label": "door"},]',
        "{'point_2d': [500, 250], 'label': 'door'}",
    ],
)
def test_json_fenced_bare_and_broken(text):
    assert parse_regions(text, "thousand", SIZE) == (Region((100.0, 25.0), "door"),)


def test_boxes_points_and_bare_lists():
    assert coordinates('[{"bbox_2d": [0, 0, 500, 500]}]') == [(0, 0, 100, 50)]
    assert coordinates("<box>(0,0),(500,500)</box>") == [(0, 0, 100, 50)]
    assert coordinates("[0.1, 0.2, 0.5, 0.6]\n[0, 0, 1, 1]", "unit") == [
        (20, 20, 100, 60),
        (0, 0, 200, 100),
    ]
    assert coordinates("[0.25, 0.25, 0.5, 0.5]", "square") == [(50, 0, 100, 50)]
    assert coordinates('[{"point_2d": [28, 14]}]', "resized", resized=(56, 56)) == [(100, 25)]


def test_molmo_tags():
    one = '<point x="50.0" y="25" alt="door">the door</point>'
    assert parse_regions(one, "percent", SIZE) == (Region((100.0, 25.0), "the door"),)
    many = '<points x1="50" y1="25" x2="10" y2="10" alt="doors">doors</points>'
    assert coordinates(many, "percent") == [(100, 25), (20, 10)]


@pytest.mark.parametrize(
    "answer",
    [
        '{"bbox": [100, 100, 500, 500], "points_1": [200, 200], "points_2": [300, 400]}',
        "{'bbox': [100, 100, 500, 500], 'points_1': [200, 200], 'points_2': [300, 400]}",
    ],
)
@pytest.mark.parametrize("thought", ["", "<think>not [0, 0, 9, 9], (1, 2)</think>"])
def test_seg_zero_s_box_and_points_are_one_region_and_its_thoughts_none(thought, answer):
    found = parse_regions(f"{thought}<answer>{answer}</answer>", "thousand", SIZE)
    assert found == (Region((20, 10, 100, 50), points=((40, 20), (60, 40))),)


def test_vision_reasoner_s_list_is_a_region_an_object():
    two = (
        '<think>Two.</think>\n<answer>[{"bbox_2d": [0, 0, 500, 500], "point_2d": [250, 250]}, '
        '{"bbox_2d": [500, 0, 1000, 500], "point_2d": [750, 250]}]</answer>'
    )
    assert parse_regions(two, "thousand", SIZE) == (
        Region((0, 0, 100, 50), points=((50, 25),)),
        Region((100, 0, 200, 50), points=((150, 25),)),
    )
    cut = parse_regions(two[: two.index("[750")], "thousand", SIZE)
    assert [region.coordinates for region in cut] == [(0, 0, 100, 50), (100, 0, 200, 50)]


def test_thoughts_without_an_answer_name_no_place():
    assert coordinates("<think>perhaps at [500, 500]") == []
    assert coordinates("<think>perhaps at [500, 500]</think>[[1000, 0]]") == [(199, 0)]


def test_a_label_may_hold_the_other_quote():
    broken = """[{"point_2d": [500, 250], "label": "the cat's eye"}, {"point_2d": [1"""
    assert parse_regions(broken, "thousand", SIZE) == (Region((100, 25), "the cat's eye"),)


def test_places_outside_are_brought_in_and_boxes_put_in_order():
    assert coordinates("[1500, -20]") == [(199, 0)]
    assert coordinates("[500, 500, 0, 0]") == [(0, 0, 100, 50)]
    assert coordinates("[500, 500, 500, 900]") == [], "a box without area"


@pytest.mark.parametrize("text", ["", "No.", "[]", "{}", "[1, 2, 3]", "a [b] c", '{"label": 3}'])
def test_answers_without_coordinates_have_none(text):
    assert coordinates(text) == []


@given(st.text(alphabet='[]{}()<>,."0123456789 -xypoint_2dbox:\n`', max_size=80))
def test_any_text_gives_places_inside_the_image(text):
    for place in coordinates(text):
        assert len(place) in (2, 4)
        assert all(0 <= x <= 200 for x in place[::2])
        assert all(0 <= y <= 100 for y in place[1::2])


def test_a_model_asked_for_points_keeps_the_rest_of_its_prompts():
    class Pointer(BrightModel):
        def _one(self, image, prompt):
            return Answer(json.dumps({"point_2d": [500, 500]}))

    model = PointingModel(Pointer(), CoordinateFormat("thousand"))
    assert model.capabilities == {"coordinates"}
    assert model.templates.identify.format(expression="red door") == (
        "Point to the red door, output its coordinates in point-format as JSON"
    )
    assert model.templates.letter_instruction == BrightModel().templates.letter_instruction


def test_a_frame_is_never_guessed():
    with pytest.raises(DataError, match="In which frame"):
        load("some/model")
    with pytest.raises(DataError, match="but got 'degrees'"):
        PointingModel(BrightModel(), CoordinateFormat("degrees"))
    with pytest.raises(DataError, match="its size"):
        PointingModel(BrightModel(), CoordinateFormat("resized"))


@dataclass
class Thinker(BrightModel):
    """Marks the middle of what it is given, as Seg-Zero does."""

    seen: list = field(default_factory=list)

    def answer(self, images, prompts, decoding):
        self.seen += [
            (image, prompt.text, decoding) for image, prompt in zip(images, prompts, strict=True)
        ]
        (width, height) = images[0].size
        box = [width // 4, height // 4, width * 3 // 4, height * 3 // 4]
        points = {"points_1": [width // 2, height // 2], "points_2": [width // 2, height // 4]}
        return [Answer(f"<answer>{json.dumps({'bbox': box, **points})}</answer>") for _ in images]


def test_seg_zero_is_asked_as_published_about_a_square_of_840_pixels():
    thinker = Thinker()
    _, known = find_checkpoint("seg-zero-7b")
    model = PointingModel(thinker, known.coordinates, resized=lambda image: image.size[::-1])
    image = Image.new("RGB", (200, 100))
    sample = Sample(
        id="1", image=Path("1.png"), size=SIZE, question=None, options=(), answer=None,
        expression="The Red Door.", mask=Mask.empty(SIZE),
    )  # fmt: skip
    prompt = build_prompt(sample, 3, model.templates)
    for _ in range(2):
        answers = model.answer([image, image], [prompt, prompt], Decoding(max_new_tokens=8))
    assert answers[0].regions == (Region((50, 25, 150, 75), points=((100, 50), (100, 25))),)
    shown = [image for image, _, _ in thinker.seen]
    assert shown[0].size == (840, 840)
    assert all(other is shown[0] for other in shown), "one image is prepared once"
    _, text, decoding = thinker.seen[0]
    assert decoding.max_new_tokens == 1024
    assert text.startswith("Please find 'the red door' with bbox and points.Compare the difference")
    assert text.endswith(
        "<answer>{'bbox': [10,100,200,210], 'points_1': [30,110], 'points_2': [35,180]}</answer>"
    )


def test_vision_reasoner_is_asked_for_a_list():
    text = VISION_TEMPLATES["vision-reasoner"].format(expression="X", lowered="x")
    assert text.startswith('Please find "x" with bboxs and points.')
    assert text.endswith(
        '<answer>[{"bbox_2d": [10,100,200,210], "point_2d": [30,110]}, '
        '{"bbox_2d": [225,296,706,786], "point_2d": [302,410]}]</answer>'
    )


def test_known_names_are_asked_in_known_ways():
    formats = {known.name: known.coordinates for _, known in known_checkpoints()}
    formats = {name: format for name, format in formats.items() if format is not None}
    assert {"llava-1.5-7b", "cambrian-8b", "qwen3-vl-8b", "seg-zero-7b"} <= formats.keys()
    assert all(f"{name}+coordinates" in models for name in formats)
    assert all(format.frame in FRAMES for format in formats.values())
    assert all(format.ask in VISION_TEMPLATES for format in formats.values())


BOX = (20.0, 10.0, 100.0, 50.0)  # of 100 x 200 pixels: x 100 to 500, y 100 to 500 thousandths


@pytest.mark.parametrize(
    "text",
    [
        '```json\n[{"box_2d": [100, 100, 500, 500], "label": "the door"}]\n```',
        '{"bbox_2d": [[100, 100], [500, 500]]}',
        '{"bounding_box": [100, 100, 500, 500]}',
        '{"bbox_2d": ["100", "100", "500", "500"]}',
        '{"bbox_2d": "[100, 100, 500, 500]"}',
        '{"bbox_2d": ["10%", "10%", "50%", "50%"]}',
        "[10%, 10%, 50%, 50%]",
        '{"xmin": 100, "ymin": 100, "xmax": 500, "ymax": 500}',
        '{"ymin": 100, "xmin": 100, "ymax": 500, "xmax": 500}',
        '{"box": {"x1": 100, "y1": 100, "x2": 500, "y2": 500}}',
        '{"left": "100", "top": "100", "right": "500", "bottom": "500"}',
        '{"x": 100, "y": 100, "width": 400, "height": 400}',
        '{"top_left": [100, 100], "bottom_right": [500, 500]}',
        '{"objects": [{"name": "door", "bbox": [100, 100, 500, 500]}]}',
        '```json\n{"bbox_2d": [100, 100, 500, 500]}\n```\n```\nno box\n```',
        '```\nno box\n```\n```json\n{"bbox_2d": [100, 100, 500, 500]}\n```',
        "<box>100 100 500 500</box>",
        "<box>[[100, 100, 500, 500]]</box>",
        "<|box_start|>(100,100),(500,500)<|box_end|>",
        "<|det|>[[100, 100, 500, 500]]<|/det|>",
        "<|begin_of_box|>[[100,100,500,500]]<|end_of_box|>",
        "<loc_100><loc_100><loc_500><loc_500>",
        "[[100, 100, 500, 500]]",
        "[100.0, 100.0, 500.0, 500.0]",
        "<think>[0, 0, 9, 9]</think>[100, 100, 500, 500]",
        "[[100, 100, 500, 500",
    ],
)  # fmt: skip
def test_boxes_in_every_form(text):
    if text.endswith("500"):
        assert coordinates(text) == [], "a cut list is none"
    else:
        assert coordinates(text) == [BOX]


def test_every_fence_is_read():
    two = '```json\n{"point_2d": [500, 250]}\n```\nand\n```json\n{"point_2d": [0, 0]}\n```'
    assert coordinates(two) == [(100, 25), (0, 0)]


def test_gemini_and_paligemma_write_y_first():
    door = '```json\n[{"box_2d": [100, 600, 300, 900], "label": "the door"}]\n```'
    assert coordinates(door) == [(120, 10, 180, 30)]
    assert coordinates("[{'box_2d': [100, 600, 300, 900], 'label': 'cut") == [(120, 10, 180, 30)]
    assert coordinates("<loc0512><loc0256><loc1024><loc0512> door") == [(50, 50, 100, 100)]
    swapped = read_places('{"point": [250, 500]}', "thousand", SIZE, order="y-first")
    assert swapped.regions == (Region((100, 25)),)
    kept = read_places(door, "thousand", SIZE, order="x-first")
    assert kept.regions[0].coordinates == (20, 60, 60, 90)
    named = read_places('{"x": 500, "y": 250}', "thousand", SIZE, order="y-first")
    assert named.regions == (Region((100, 25)),), "named axes need no order"


def test_two_points_alone_are_a_box_where_boxes_are_asked_for():
    pair = "[[100, 100], [500, 500]]"
    assert coordinates(pair) == [(20, 10), (100, 50)]
    boxes = read_places(pair, "thousand", SIZE, boxes=True).regions
    assert [region.coordinates for region in boxes] == [BOX]


@pytest.mark.parametrize(
    ("text", "frame", "doubtful"),
    [
        ("[100, 100, 500, 500]", "thousand", 0),
        ("[0.1, 0.1, 0.5, 0.5]", "thousand", 1),
        ("[100, 100, 1500, 1500]", "thousand", 1),
        ("[0, 0, 1, 1]", "thousand", 0),
        ("[0.1, 0.1, 0.5, 0.5]", "unit", 0),
        ("[10, 10, 50, 50]", "unit", 1),
        ("[10, 10, 50, 150]", "percent", 1),
        ("[10%, 10%, 50%, 50%]", "thousand", 0),
        ("[10, 10, 50, 50]", "pixels", 0),
        ("[10, 10, 50, 500]", "pixels", 1),
        ("[0.1, 0.1, 0.5, 0.5]", "resized", 1),
    ],
)
def test_numbers_that_do_not_fit_their_frame_are_counted(text, frame, doubtful):
    assert read_places(text, frame, SIZE).doubtful == doubtful


@pytest.mark.parametrize(
    "text",
    [
        '[{"bbox_2d": [' + "9" * 400 + ", 2, 3, 4]}]",
        '[{"bbox_2d": [' + "9" * 5000 + ", 2, 3, 4]}]",
        "[" + "9" * 400 + ", 2, 3, 4]",
        '[{"bbox_2d": [1e999, 2, 3, 4]}]',
        '[{"bbox_2d": [NaN, 2, 3, 4]}]',
        '[{"bbox_2d": [-Infinity, 2, 3, 4]}]',
        "(" + "9" * 400 + ",2),(3,4)",
        '<point x="' + "9" * 400 + '" y="2">door</point>',
    ],
)
def test_numbers_without_end_are_left_out_and_counted(text):
    found = read_places(text, "thousand", SIZE)
    assert (found.regions, found.left_out) == ((), 1)


def test_more_places_than_an_image_has_objects_are_left_out():
    found = read_places("[1, 2] " * 1000, "thousand", SIZE)
    assert (len(found.regions), found.left_out) == (256, 744)


def test_deep_nesting_ends():
    assert coordinates("[" * 100_000) == []
    assert coordinates('{"a":' * 5_000 + "1" + "}" * 5_000) == []
