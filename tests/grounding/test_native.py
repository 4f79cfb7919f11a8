"""A model's own masks become candidates."""

import pytest
from PIL import Image

from pixfoundation.errors import DataError
from pixfoundation.grounding.native import load
from pixfoundation.masks import Mask
from pixfoundation.types import Answer, NativeMask

IMAGE = Image.new("RGB", (4, 3))
CAT = Mask.from_array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0]])
SPANS = ((0, 3), (3, 7), (7, 12), (12, 16))
TEXT = "The cat sees cat"


def ground(*masks: NativeMask):
    return load(None).ground(IMAGE, Answer(TEXT, (1, 2, 3, 4), SPANS, masks=masks))


def test_masks_keep_order_score_phrase_and_tokens():
    first, second = ground(NativeMask(CAT, "cat", (13, 16), 0.5), NativeMask(Mask.full((3, 4))))
    assert first.mask == CAT
    assert (first.phrase.text, first.phrase.span, first.phrase.tokens) == ("cat", (13, 16), (3,))
    assert (first.score, first.source) == (0.5, "native")
    assert second.phrase is None


def test_words_without_a_place_are_looked_for_in_the_answer():
    (found,) = ground(NativeMask(CAT, "cat"))
    assert found.phrase.span == (4, 7)
    (absent,) = ground(NativeMask(CAT, "dog"))
    assert (absent.phrase.text, absent.phrase.tokens) == ("dog", ())


def test_no_mask_no_candidate():
    assert ground() == []
    assert load(None).ground(IMAGE, Answer(TEXT)) == []


def test_a_mask_of_another_size_is_refused():
    with pytest.raises(DataError, match="image of"):
        ground(NativeMask(Mask.full((4, 4))))
