"""Measuring a segmenter: known segmenters get known numbers."""

import numpy as np
import pytest
from recipes.point_masks import VALIDATION_NAMESPACE, background_of, draw_scene
from recipes.sam_evaluation import evaluate

from pixfoundation.datasets.pixscenes.drawing import Drawing
from pixfoundation.errors import DataError
from pixfoundation.segmenters.base import SegmenterOutput


class Answering:
    """A segmenter that answers every point by a function of (drawing, x, y)."""

    name = "answering"

    def __init__(self, drawing, answer):
        self.drawing, self.answer = drawing, answer

    def segment(self, image, points=(), boxes=()):
        found = [self.answer(self.drawing, int(x), int(y)) for x, y in points]
        masks, scores = zip(*found, strict=True)
        return SegmenterOutput(np.array(masks), np.array(scores, np.float32))

    def fingerprint(self):
        return {}


def perfect(drawing, x, y):
    """Thing, part, nothing; the part's score is higher."""
    under = [name for name, mask in drawing.masks.items() if mask[y, x]]
    if not under:
        return [background_of(drawing)] * 3, [0.9, 0.8, 0.7]
    thing, part = min(under, key=len), max(under, key=len)
    nothing = np.zeros_like(drawing.masks[thing])
    return [drawing.masks[thing], drawing.masks[part], nothing], [0.5, 0.8, 0.1]


def nearest(drawing, x, y):
    """Always the first thing, wherever the point is."""
    return [drawing.masks["0"]] * 3, [0.5, 0.5, 0.5]


@pytest.fixture(scope="module")
def drawing():
    return draw_scene(VALIDATION_NAMESPACE, 1)


def test_a_perfect_segmenter_gets_everything(drawing):
    report = evaluate(Answering(drawing, perfect), [drawing])
    assert report.whole.best == report.part.best == report.part.first == 1
    assert report.on_thing_first == report.on_thing_best == 1
    assert report.background_clear == report.background_first_clear == 1
    assert report.whole.points == sum("/" not in name for name in drawing.masks)
    assert report.part.points == sum(score.points for score in report.by_part.values())
    # where a point lies on a part, the part is preferred to the thing
    assert report.whole.first < 1


def test_a_segmenter_that_snaps_to_a_thing_is_found_out(drawing):
    report = evaluate(Answering(drawing, nearest), [drawing])
    things = report.whole.points
    assert report.whole.best == pytest.approx(1 / things)
    assert report.background_clear == 0
    assert report.background_points == 4


def test_the_seed_chooses_the_points(drawing):
    def spot(drawing, x, y):
        mask = np.zeros((160, 160), bool)
        mask[y, : x + 1] = True
        return [mask] * 3, [0.0] * 3

    reports = [evaluate(Answering(drawing, spot), [drawing], seed=seed) for seed in (0, 0, 1)]
    assert reports[0] == reports[1] != reports[2]


def test_scenes_without_parts_are_refused():
    drawing = Drawing(np.zeros((160, 160, 3), np.uint8), {"0": np.eye(160, dtype=bool)})
    with pytest.raises(DataError, match="things and parts"):
        evaluate(Answering(drawing, nearest), [drawing])
