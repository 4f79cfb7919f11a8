"""From an answer and its attention to points and candidates.

The published pipeline is written out again below in a few lines of torch, from the description of
what it computes; on a fixed answer and fixed attention both must agree to the pixel.
"""

# pyright: reportArgumentType=false, reportGeneralTypeIssues=false, reportOptionalIterable=false
# pyright: reportOptionalMemberAccess=false, reportOptionalSubscript=false

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from tests.optional import needs

from pixfoundation.attention.row_convention import PRESETS
from pixfoundation.conventions import PUBLISHED
from pixfoundation.errors import DataError
from pixfoundation.geometry import GridFrame
from pixfoundation.grounding.attend_and_segment import AttendAndSegment, load
from pixfoundation.phrases import load_pipeline
from pixfoundation.segmenters.base import SegmenterOutput
from pixfoundation.types import Answer, AttentionTrace

pytestmark = needs("spacy")


TEXT = "The butterfly's wings are open, and it sits on a red flower near them."


class Recorder:
    """A segmenter that draws three discs around a point, or fills a box, and notes its calls."""

    name = "recorder"

    def __init__(self):
        self.calls = []

    def segment(self, image, points=(), boxes=()):
        self.calls.append((tuple(points), tuple(boxes)))
        ys, xs = np.mgrid[: image.height, : image.width]
        masks = [
            [np.hypot(xs - x, ys - y) <= radius for radius in (2, 4, 8)] for x, y in points
        ] + [[(xs >= x0) & (xs < x1) & (ys >= y0) & (ys < y1)] * 3 for x0, y0, x1, y1 in boxes]
        scores = np.tile(np.float32([0.5, 0.7, 0.6]), (len(masks), 1))
        return SegmenterOutput(np.array(masks, bool), scores)

    def fingerprint(self):
        return {"name": self.name}


def answer(size: tuple[int, int], *, seed: int = 0, text: str = TEXT, grid: int = 6) -> Answer:
    """An answer of words with their blanks, a stop token, and random attention."""
    words, spans, at = text.split(" "), [], 0
    for place, word in enumerate(words):
        end = at + len(word) + (place > 0)
        spans.append((at, end))
        at = end
    spans.append((at, at))
    tokens = len(spans)
    rows = np.random.default_rng(seed).random((tokens + 1, grid, grid), dtype=np.float32)
    first = np.random.default_rng(seed + 99).random((grid, grid), dtype=np.float32)
    frame = GridFrame.padded_square(grid, grid, size)
    return Answer(
        text, tuple(range(tokens)), tuple(spans), trace=AttentionTrace(rows, frame, first)
    )


def published_points(answer: Answer, size: tuple[int, int], shift: int = 0) -> list[tuple]:
    """The published computation: (phrase, x, y), written independently of the package.

    shift 0: token j reads attention entry j; shift 1: entry j + 1 (ids begin with a start token).
    """
    height, width = size
    count = len(answer.token_ids)
    entries = torch.from_numpy(
        np.concatenate([answer.trace.first_row[None], answer.trace.rows[1:]])
    )
    entries = entries[:count]
    entries = entries - entries.mean(dim=0, keepdim=True)
    points = []
    for chunk in load_pipeline()(answer.text).noun_chunks:
        inside = [
            j + shift
            for j, (start, end) in enumerate(answer.spans)
            if start < chunk.end_char and end > chunk.start_char
        ]
        if max(inside) >= count:
            continue
        side = max(height, width)
        large = torch.nn.functional.interpolate(
            entries[inside].mean(dim=0)[None, None], size=(side, side), mode="bicubic"
        )[0, 0]
        top, left = (side - height) // 2, (side - width) // 2
        flat = int(large[top : top + height, left : left + width].flatten().argmax())
        points.append((chunk.text, flat % width, flat // width))
    return points


@pytest.mark.parametrize("size", [(48, 48), (40, 72), (75, 33)])
@pytest.mark.parametrize("seed", range(5))
def test_published_points_agree_to_the_pixel(size, seed):
    given = answer(size, seed=seed)
    segmenter = Recorder()
    candidates = load(segmenter, conventions=PUBLISHED.grounding).ground(
        Image.new("RGB", size[::-1]), given
    )
    expected = published_points(given, size)
    assert [(c.phrase.text, *c.point) for c in candidates[::3]] == expected
    assert segmenter.calls == [(tuple((x, y) for _, x, y in expected), ())]  # one batch


@pytest.mark.parametrize("seed", range(3))
def test_published_points_of_the_shifted_alignment_agree_too(seed):
    size = (40, 72)
    given = answer(size, seed=seed)
    grounder = load(Recorder(), conventions=PUBLISHED.grounding, preset="pixfoundation-cambrian")
    candidates = grounder.ground(Image.new("RGB", size[::-1]), given)
    assert [(c.phrase.text, *c.point) for c in candidates[::3]] == published_points(given, size, 1)


def test_the_shifted_alignment_drops_a_phrase_without_a_row_as_published():
    size = (40, 72)
    whole = answer(size, text="The wings are near a red flower")
    cut = replace(whole, token_ids=whole.token_ids[:-1], spans=whole.spans[:-1])  # no stop token
    image = Image.new("RGB", size[::-1])
    published = load(Recorder(), conventions=PUBLISHED.grounding, preset="pixfoundation-cambrian")
    assert [c.phrase.text for c in published.ground(image, cut)[::3]] == ["The wings"]
    ours = load(Recorder(), preset="pixfoundation-cambrian")
    assert [c.phrase.text for c in ours.ground(image, cut)[::3]] == ["The wings", "a red flower"]


def test_candidates_are_three_masks_a_phrase_with_scores_points_and_tokens():
    size = (40, 72)
    candidates = load(Recorder()).ground(Image.new("RGB", size[::-1]), answer(size))
    assert [c.phrase.text for c in candidates[::3]] == [
        "The butterfly's wings",
        "it",
        "a red flower",
        "them",
    ]
    assert [c.index for c in candidates[:3]] == [0, 1, 2]
    assert [c.score for c in candidates[:3]] == pytest.approx([0.5, 0.7, 0.6])
    for candidate in candidates:
        assert candidate.source == "attention"
        assert not candidate.degenerate
        assert candidate.mask.contains(*candidate.point)
    assert candidates[0].phrase.tokens == (0, 1, 2)


def test_the_point_is_where_the_tokens_of_the_phrase_look():
    size = (60, 60)
    given = answer(size)
    rows = np.full_like(given.trace.rows, 0.1)
    (place,) = (i for i, word in enumerate(TEXT.split(" ")) if word == "flower")
    rows[place, 4, 1] = 1.0
    given = replace(given, trace=replace(given.trace, rows=rows))
    candidates = load(Recorder()).ground(Image.new("RGB", size), given)
    flower = next(c for c in candidates if c.phrase.text == "a red flower")
    assert 10 <= flower.point[0] < 20
    assert 40 <= flower.point[1] < 50


def test_what_every_token_looks_at_does_not_count():
    size = (60, 60)
    given = answer(size)
    rows = given.trace.rows.copy()
    rows[:, 0, 0] = 50.0  # a place that draws attention whatever is said
    loud = replace(given, trace=replace(given.trace, rows=rows))
    for candidate in load(Recorder()).ground(Image.new("RGB", size), loud):
        assert max(candidate.point) >= 10  # not in the first cell


def test_several_points_and_boxes():
    size = (60, 60)
    image = Image.new("RGB", size)
    segmenter = Recorder()
    many = load(segmenter, points=2, pronouns=False).ground(image, answer(size))
    assert len(segmenter.calls[0][0]) == 4
    assert len(many) == 2 * 2 * 3
    boxed = load(segmenter, prompt="box", pronouns=False).ground(image, answer(size))
    assert segmenter.calls[1][0] == ()
    for candidate in boxed:
        x0, y0, x1, y1 = candidate.box
        assert x0 <= candidate.point[0] < x1
        assert y0 <= candidate.point[1] < y1


class Refiner(Recorder):
    """Notes the rough masks as well."""

    prompts = frozenset({"points", "boxes", "masks"})

    def segment(self, image, points=(), boxes=(), masks=()):
        self.rough = masks
        return super().segment(image, points, boxes)


def test_a_rough_mask_holds_its_point_and_goes_beside_it():
    size = (60, 60)
    segmenter = Refiner()
    found = load(segmenter, prompt="mask", pronouns=False).ground(
        Image.new("RGB", size), answer(size)
    )
    points, boxes = segmenter.calls[0]
    assert boxes == ()
    assert len(points) == len(segmenter.rough) == len(found) // 3
    for (x, y), rough in zip(points, segmenter.rough, strict=True):
        assert rough.shape == size
        assert rough[int(y), int(x)]
        assert 0 < rough.mean() < 1


def test_a_segmenter_that_takes_no_masks_is_named():
    with pytest.raises(DataError, match="'recorder' cannot be prompted with masks"):
        load(Recorder(), prompt="mask")


# ---- answers that say little -------------------------------------------------------------------


def one_token(size: tuple[int, int]) -> Answer:
    given = answer(size, text="Wings")
    rows = given.trace.rows.copy()
    rows[0, 4, 1] = 2.0
    return Answer("Wings", (0,), ((0, 5),), trace=replace(given.trace, rows=rows))


def test_a_single_token_is_read_without_its_mean_and_flagged():
    size = (60, 60)
    grounder = load(Recorder(), fallback="words")
    for candidate in grounder.ground(Image.new("RGB", size), one_token(size)):
        assert candidate.degenerate
        assert 10 <= candidate.point[0] < 20
        assert 40 <= candidate.point[1] < 50


def test_as_published_a_single_token_points_to_the_first_pixel_but_flagged():
    size = (60, 60)
    grounder = load(Recorder(), conventions=PUBLISHED.grounding, fallback="words")
    candidates = grounder.ground(Image.new("RGB", size), one_token(size))
    assert {c.point for c in candidates} == {(0.0, 0.0)}
    assert all(c.degenerate for c in candidates)


def test_attention_that_is_not_a_number_is_flagged():
    size = (60, 60)
    given = answer(size)
    rows = np.full_like(given.trace.rows, np.nan)
    candidates = load(Recorder()).ground(
        Image.new("RGB", size), replace(given, trace=replace(given.trace, rows=rows))
    )
    assert candidates
    assert all(c.degenerate and c.point == (30.0, 30.0) for c in candidates)


@pytest.mark.parametrize("text", ["Yes.", ""])
def test_no_phrase_no_candidate_and_no_call_of_the_segmenter(text):
    segmenter = Recorder()
    given = answer((60, 60), text=text) if text else Answer("")
    assert load(segmenter).ground(Image.new("RGB", (60, 60)), given) == []
    assert segmenter.calls == []


# ---- refusals --------------------------------------------------------------------------------


def test_an_answer_without_attention_is_refused():
    with pytest.raises(DataError, match="attention=True"):
        load(Recorder()).ground(Image.new("RGB", (9, 9)), Answer("The cat", (1,), ((0, 7),)))


def test_attention_of_another_image_is_refused():
    with pytest.raises(DataError, match="but this image has"):
        load(Recorder()).ground(Image.new("RGB", (10, 20)), answer((60, 60)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"points": 0}, "at least 1"),
        ({"rank": 0}, "at least 1"),
        ({"threshold": 1.5}, "from 0 to 1"),
        ({"prompt": "circle"}, "'point', 'box' or 'mask', but got 'circle'"),
        ({"fallback": "letters"}, "'none', 'words' or 'sentences', but got 'letters'"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(DataError, match=message):
        load(Recorder(), **options)


def test_no_segmenter_is_refused():
    with pytest.raises(DataError, match="needs a segmenter"):
        load(None)


def test_the_fingerprint_names_what_the_points_depend_on():
    published = load(Recorder(), conventions=PUBLISHED.grounding).fingerprint()
    assert published["reading"]["first_row"] == PRESETS["pixfoundation"].first_row == -2
    assert published != AttendAndSegment(Recorder()).fingerprint()
    assert published["phrases"]["pipeline"].startswith("en_core_web")
