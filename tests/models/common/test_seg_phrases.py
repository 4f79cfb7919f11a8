"""The characters of a phrase in a decoded answer."""

from pixfoundation.models.common.llama_tokens import Decoded
from pixfoundation.models.common.seg_phrases import Phrase, phrase_span

CAT = Decoded("Here a cat on", ((0, 4), (4, 4), (4, 6), (6, 10), (10, 10), (10, 13)))


def test_a_phrase_is_its_tokens_characters_without_white_space_around_them():
    span = phrase_span(Phrase(2, 4), CAT)
    assert span == (5, 10)
    assert CAT.text[slice(*span)] == "a cat"


def test_a_phrase_of_no_words_is_none():
    assert phrase_span(None, CAT) is None
    assert phrase_span(Phrase(2, 2), CAT) is None
    assert phrase_span(Phrase(0, 1), Decoded(" ", ((0, 1),))) is None
