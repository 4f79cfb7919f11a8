"""Points and boxes of an answer become masks."""

import numpy as np
import pytest
from PIL import Image

from pixfoundation.conventions import PUBLISHED
from pixfoundation.errors import DataError
from pixfoundation.grounding.coordinates import load
from pixfoundation.segmenters.base import SegmenterOutput
from pixfoundation.types import Answer, Region

IMAGE = Image.new("RGB", (40, 30))


class Squares:
    name = "squares"

    def segment(self, image, points=(), boxes=()):
        places = [(x - 2, y - 2, x + 2, y + 2) for x, y in points] or boxes
        y, x = np.mgrid[:30, :40]
        masks = [
            [(x >= x0 - k) & (x < x1 + k) & (y >= y0 - k) & (y < y1 + k) for k in (0, 1, 2)]
            for x0, y0, x1, y1 in places
        ]
        return SegmenterOutput(np.array(masks), np.ones((len(places), 3), np.float32))

    def fingerprint(self):
        return {}


def test_every_region_gives_its_masks():
    answer = Answer("door: [..]", regions=(Region((10, 10), "door"), Region((5, 5, 9, 9))))
    found = load(Squares()).ground(IMAGE, answer)
    assert [(c.point, c.box, c.index) for c in found[:3]] == [((10, 10), None, i) for i in range(3)]
    assert [c.box for c in found[3:]] == [(5, 5, 9, 9)] * 3
    assert found[0].phrase is not None
    assert found[0].phrase.span == (0, 4)
    assert found[3].phrase is None
    assert [c.mask.area for c in found[:3]] == [16, 36, 64]
    assert {c.source for c in found} == {"coordinates"}


def test_as_published_the_last_mask_of_each_place_counts():
    answer = Answer("", regions=(Region((10, 10)), Region((20, 20))))
    found = load(Squares(), conventions=PUBLISHED.grounding).ground(IMAGE, answer)
    assert [(c.mask.area, c.index) for c in found] == [(64, 0), (64, 0)]


class Clicked(Squares):
    """Draws what the clicks inside say, and is surest of the middle mask."""

    prompts = frozenset({"points", "boxes", "points_in_boxes"})

    def segment(self, image, points=(), boxes=(), points_in_boxes=()):
        self.points_in_boxes = points_in_boxes
        drawn = super().segment(image, points, boxes)
        scores = np.tile(np.float32([0.2, 0.9, 0.5]), (len(boxes), 1))
        return SegmenterOutput(drawn.masks, scores)


def test_a_box_is_prompted_with_its_points_and_as_published_its_surest_mask_counts():
    regions = (Region((5, 5, 9, 9), points=((6, 6), (7, 7))), Region((20, 5, 24, 9)))
    segmenter = Clicked()
    found = load(segmenter).ground(IMAGE, Answer("", regions=regions))
    assert segmenter.points_in_boxes == [((6, 6), (7, 7)), ()]
    assert len(found) == 6
    found = load(segmenter, conventions=PUBLISHED.grounding).ground(
        IMAGE, Answer("", regions=regions)
    )
    assert [c.mask.area for c in found] == [36, 64]


def test_a_segmenter_that_takes_no_points_in_boxes_is_named():
    regions = (Region((5, 5, 9, 9), points=((6, 6),)),)
    with pytest.raises(DataError, match="'squares' does not accept them"):
        load(Squares()).ground(IMAGE, Answer("", regions=regions))


def test_an_answer_without_places_offers_nothing():
    assert load(Squares()).ground(IMAGE, Answer("No.", regions=())) == []
    assert load(Squares()).ground(IMAGE, Answer("No.")) == []


def test_a_segmenter_is_needed():
    with pytest.raises(DataError, match="needs a segmenter"):
        load(None)
