"""Coordinates in every form that models write them, brought to the pixels of the image."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixfoundation.errors import DataError
from pixfoundation.models.coordinates import parse_regions
from pixfoundation.models.pointing import PointingModel, load
from pixfoundation.types import Answer, Region
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

    model = PointingModel(Pointer(), "thousand")
    assert model.capabilities == {"coordinates"}
    assert model.templates.identify.format(expression="red door") == (
        "Point to the red door, output its coordinates in point-format as JSON"
    )
    assert model.templates.letter_instruction == BrightModel().templates.letter_instruction


def test_a_frame_is_never_guessed():
    with pytest.raises(DataError, match="In which frame"):
        load("some/model")
    with pytest.raises(DataError, match="but got 'degrees'"):
        PointingModel(BrightModel(), "degrees")
    with pytest.raises(DataError, match="its size"):
        PointingModel(BrightModel(), "resized")
