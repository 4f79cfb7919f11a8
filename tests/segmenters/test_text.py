"""Segmenters prompted with words, behind one method; and the grounder that uses them."""

import numpy as np
import pytest
from PIL import Image
from tests.tiny_checkpoints import TEXT_SEGMENTERS, saved

from pixfoundation import api
from pixfoundation.errors import DataError
from pixfoundation.grounding.attend_and_segment import load as load_attend_and_segment
from pixfoundation.grounding.coordinates import load as load_coordinates
from pixfoundation.grounding.words import load as load_grounder
from pixfoundation.segmenters.base import accepted_prompts, takes_text
from pixfoundation.segmenters.sam import load as load_sam
from pixfoundation.segmenters.text import load
from pixfoundation.types import Answer

SIZE = (48, 90)
TEXTS = ["a red cat", "the hat of the dog on the left"]


@pytest.fixture(scope="module")
def image() -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 255, (*SIZE, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def eager(name: str):
    """A segmenter that holds nothing back, so that random weights give masks."""
    return load(str(saved(name)), threshold=0.3, least_score=0.0)


@pytest.mark.parametrize("name", TEXT_SEGMENTERS)
def test_masks_are_of_the_size_of_the_image_and_the_best_comes_first(name, image):
    found = eager(name).segment_texts(image, TEXTS)
    assert len(found) == 2
    assert sum(len(own) for own in found) > 0
    for own in found:
        assert all(mask.mask.shape == SIZE and mask.mask.dtype == np.bool_ for mask in own)
        scores = [mask.score for mask in own]
        assert scores == sorted(scores, reverse=True)
        assert all(0 <= score <= 1 for score in scores)


@pytest.mark.parametrize("name", TEXT_SEGMENTERS)
def test_each_text_is_answered_as_if_it_were_alone(name, image):
    segmenter = eager(name)
    together = segmenter.segment_texts(image, TEXTS)
    for text, own in zip(TEXTS, together, strict=True):
        (alone,) = segmenter.segment_texts(image, [text])
        assert [m.score for m in alone] == pytest.approx([m.score for m in own], abs=1e-4)
    assert segmenter.segment_texts(image, []) == []


@pytest.mark.parametrize("name", TEXT_SEGMENTERS)
def test_what_is_below_the_thresholds_is_not_given(name, image):
    strict = load(str(saved(name)), threshold=0.999999, least_score=0.999999)
    assert strict.segment_texts(image, TEXTS) == [[], []]


def test_grounders_by_points_refuse_it_and_models_that_take_no_text_are_refused():
    segmenter = load(str(saved("clipseg")))
    assert takes_text(segmenter)
    for load_by_points in (load_attend_and_segment, load_coordinates):
        with pytest.raises(DataError, match="takes text, not points or boxes"):
            load_by_points(segmenter)
    with pytest.raises(DataError, match="'sam', which does not accept text"):
        load(str(saved("sam")))


def test_the_grounder_gives_the_masks_of_every_phrase(image):
    pytest.importorskip("spacy")
    segmenter = eager("sam3")
    text = "The red cat is on it, near a dog."
    candidates = load_grounder(segmenter).ground(image, Answer(text))
    expected = segmenter.segment_texts(image, ["The red cat", "a dog"])
    assert len(candidates) == sum(len(own) for own in expected)
    assert {c.phrase.text for c in candidates} == {"The red cat", "a dog"}
    assert all(c.source == "words" and c.mask.size == SIZE for c in candidates)


def test_the_grounder_wants_a_segmenter_that_takes_words():
    with pytest.raises(DataError, match="'clipseg' or 'sam3-text'"):
        load_grounder(load_sam(str(saved("sam"))))


def test_a_folder_of_a_segmenter_that_takes_words_is_told_by_its_configuration():
    assert accepted_prompts(api.load_segmenter(str(saved("clipseg")))) == {"text"}
    assert not takes_text(api.load_segmenter(str(saved("sam2"))))


def test_a_segmenter_without_declared_prompts_takes_points_and_boxes_or_text():
    class Undeclared:
        name = "undeclared"

        def fingerprint(self):
            return {}

    class UndeclaredText(Undeclared):
        def segment_texts(self, image, texts):
            return [[] for _ in texts]

    assert accepted_prompts(Undeclared()) == {"points", "boxes"}
    assert accepted_prompts(UndeclaredText()) == {"text"}
