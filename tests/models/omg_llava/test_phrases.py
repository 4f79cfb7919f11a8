"""The words that a mask belongs to, and the masks that a name means."""

import pytest

from pixfoundation.models.common.llama_tokens import Decoded
from pixfoundation.models.common.llava_sam.prompt import Phrase
from pixfoundation.models.omg_llava.phrases import characters, named, published_text

CAT = Decoded("Here a cat on", ((0, 4), (4, 4), (4, 6), (6, 10), (10, 10), (10, 13)))


def test_a_phrase_is_its_tokens_characters_without_white_space_around_them():
    span = characters(Phrase(2, 4), CAT)
    assert span == (5, 10)
    assert CAT.text[slice(*span)] == "a cat"


def test_a_phrase_of_no_words_is_none():
    assert characters(None, CAT) is None
    assert characters(Phrase(2, 2), CAT) is None
    assert characters(Phrase(0, 1), Decoded(" ", ((0, 1),))) is None


@pytest.mark.parametrize(
    ("wanted", "indices"),
    [("The red cat", [0, 3]), ("cat", [0, 3]), ("dog", [1]), ("house", []), ("", [])],
)
def test_the_named_phrase_shares_most_words(wanted, indices):
    assert named(["a red cat", "two dogs, one dog", None, "red cat"], wanted) == indices


def test_the_published_clean_up():
    raw = "Sure,\nit is <p>  the cat</p>  [SEG] .<|im_end|>"
    assert published_text(raw) == "Sure,it is  the cat  ."
