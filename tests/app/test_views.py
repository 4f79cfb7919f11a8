"""What is shown of a grounded image, before any browser sees it."""

import base64
import io
import re
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from pixfoundation import api
from pixfoundation.app.views import (
    COLOURS,
    HEAT_SIDE,
    attention_view,
    grid_picture,
    heat_pictures,
    highlighted,
    outcome,
)
from pixfoundation.masks import Mask
from pixfoundation.report.strip import token_heat
from pixfoundation.types import Selection
from tests.app.talker import SENTENCE, Talker
from tests.doubles import BrightModel, DiscSegmenter
from tests.optional import needs

pytestmark = needs("spacy")


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    path = tmp_path_factory.mktemp("images") / "boxes.png"
    Image.new("RGB", (60, 40), (40, 90, 40)).save(path)
    return path


@pytest.fixture(scope="module")
def grounded(image):
    return api.ground(image, "the red ball", Talker(), DiscSegmenter())


@pytest.fixture(scope="module")
def native(image):
    return api.ground(image, "the white box", BrightModel())


def opened(address: str) -> Image.Image:
    kind, data = address.split(",")
    assert kind == "data:image/webp;base64"
    return Image.open(io.BytesIO(base64.b64decode(data)))


def test_the_pieces_joined_are_the_answer_and_phrases_carry_their_colour(grounded):
    pieces = highlighted(grounded.grounded)
    assert "".join(text for text, _ in pieces) == SENTENCE
    labelled = [(text, label) for text, label in pieces if label]
    assert labelled[0] == ("The red ball", "1")
    assert [label for _, label in labelled] == [str(n + 1) for n in range(len(labelled))]
    assert set(COLOURS) >= {label for _, label in labelled}


def test_a_phrase_within_another_changes_no_text(grounded):
    first = grounded.grounded.candidates[0]
    inner = replace(first.phrase, text="red ball", span=(5, 13))
    found = replace(grounded.grounded, candidates=(first, replace(first, phrase=inner)))
    pieces = highlighted(found)
    assert "".join(text for text, _ in pieces) == SENTENCE
    assert ("The red ball", "1") in pieces


def test_colours_start_again_after_the_last(grounded):
    first = grounded.grounded.candidates[0]
    spans = [(n, n + 1) for n in range(len(COLOURS) + 1)]
    phrases = [replace(first.phrase, text=SENTENCE[a:b], span=(a, b)) for a, b in spans]
    found = replace(
        grounded.grounded, candidates=tuple(replace(first, phrase=phrase) for phrase in phrases)
    )
    labels = [label for _, label in highlighted(found) if label]
    assert labels == [*COLOURS, "1"]


def test_the_outcome_names_the_pick_and_its_size(grounded, native):
    assert re.fullmatch(
        r"Picked of \d+ masks: mask \d of <q>.+</q>, \d+\.\d % of the image\.",
        outcome(grounded),
    )
    assert re.fullmatch(r"The only mask of <q>The white box</q>: \d+\.\d % of .*", outcome(native))
    size = (grounded.grounded.image.height, grounded.grounded.image.width)
    unlike = Selection("similarity", Mask.empty(size), None, 0.2)
    said = outcome(replace(grounded, selection=unlike))
    assert "best similarity 0.20, 0.56 is asked" in said
    nothing = replace(grounded, selection=Selection("score", None))
    assert outcome(nothing) == "Nothing was picked by score."
    empty = replace(grounded, grounded=replace(grounded.grounded, candidates=()))
    assert outcome(empty) == "The answer offers no mask: there is nothing to pick from."


def test_all_masks_together_are_told_by_their_size(image):
    united = api.ground(image, "it", Talker(), DiscSegmenter(), selector="union")
    assert re.fullmatch(r"All \d+ masks together: \d+\.\d % of the image\.", outcome(united))


def test_a_hostile_phrase_is_text_in_the_outcome(grounded):
    first = grounded.grounded.candidates[0]
    hostile = replace(first, phrase=replace(first.phrase, text="<script>alert(1)</script>"))
    found = replace(grounded.grounded, candidates=(hostile,))
    selection = replace(grounded.selection, candidate=0, mask=hostile.mask)
    said = outcome(replace(grounded, grounded=found, selection=selection))
    assert "<script>" not in said
    assert "&lt;script&gt;" in said


def test_the_grid_is_a_picture_and_there_is_none_without_masks(grounded):
    picture = grid_picture(grounded)
    assert picture.mode == "RGB"
    assert len(np.unique(np.asarray(picture).reshape(-1, 3), axis=0)) > 100
    empty = replace(grounded, grounded=replace(grounded.grounded, candidates=()))
    assert grid_picture(empty) is None


def test_every_token_has_its_own_map_and_the_view_starts_at_the_picked_phrase(grounded):
    page = attention_view(grounded)
    tokens = re.findall(r'data-token="(\d+)" data-heat="([^"]+)"', page)
    assert [int(number) for number, _ in tokens] == list(range(len(grounded.grounded.answer.spans)))
    assert len({heat for _, heat in tokens}) == len(tokens)
    picked = grounded.grounded.candidates[grounded.selection.candidate].phrase
    assert f'value="{picked.tokens[-1]}"' in page


def test_the_answer_in_the_view_is_escaped(grounded):
    page = attention_view(grounded)
    assert "<b>green" not in page
    assert "&lt;b&gt;green" in page


def test_a_model_with_masks_of_its_own_has_no_attention_to_show(native):
    assert attention_view(native) is None
    assert "".join(text for text, _ in highlighted(native.grounded)) == native.grounded.answer.text


def test_maps_share_one_scale_and_are_transparent_where_the_model_saw_nothing():
    heat = np.zeros((2, 8, 8), np.float32)
    heat[0, :4], heat[1, :4] = 1, 0.5
    heat[:, :, :2] = np.nan
    first, second = (
        np.asarray(opened(address).convert("RGBA"), int) for address in heat_pictures(heat)
    )
    assert (first[:, :1, 3] == 0).all()
    assert (first[:, 3:, 3] == 255).all()
    bright = [view[1, 6, :3].sum() for view in (first, second)]
    dark = [view[6, 6, :3].sum() for view in (first, second)]
    assert bright[0] > bright[1] > dark[1]
    assert abs(dark[0] - dark[1]) < 20


def test_small_maps_are_those_of_the_whole_image_made_small(tmp_path):
    path = tmp_path / "large.png"
    Image.new("RGB", (900, 500)).save(path)
    result = api.ground(path, "the red ball", Talker(), DiscSegmenter())
    small = token_heat(result.grounded, result.grounder, side=HEAT_SIDE)
    whole = token_heat(result.grounded, result.grounder)
    assert whole.shape[1:] == (500, 900)
    assert small.shape[1:] == (round(500 * HEAT_SIDE / 900), HEAT_SIDE)
    for token in range(len(small)):
        shrunk = Image.fromarray(whole[token]).resize(small.shape[:0:-1], Image.Resampling.BOX)
        assert np.abs(np.asarray(shrunk) - small[token]).max() < 0.03
