"""Noun phrases of an answer, their characters and their tokens."""

import pytest

from pixfoundation.errors import PrerequisiteError
from pixfoundation.phrases import (
    NounPhrases,
    cut_at_phrases,
    load_pipeline,
    overlapping_tokens,
)
from pixfoundation.types import Answer, Phrase
from tests.optional import needs

pytestmark = needs("spacy")


def answer(text: str, width: int = 3) -> Answer:
    """An answer whose tokens are of equal width, then a stop token."""
    spans = [(i, min(i + width, len(text))) for i in range(0, len(text), width)]
    spans.append((len(text), len(text)))
    return Answer(text, tuple(range(len(spans))), tuple(spans))


def found(text: str, **options) -> list[str]:
    return [phrase.text for phrase in NounPhrases(**options).find(answer(text))]


def test_phrases_come_in_order_with_characters_root_and_tokens():
    text = "The butterfly's wings are near a red flower."
    wings, flower = NounPhrases().find(answer(text))
    assert (wings.text, wings.core, wings.span) == ("The butterfly's wings", "wings", (0, 21))
    assert wings.tokens == (0, 1, 2, 3, 4, 5, 6)
    assert (flower.text, flower.core) == ("a red flower", "flower")
    assert text[slice(*flower.span)] == flower.text
    assert flower.tokens == tuple(range(31 // 3, -(-43 // 3)))


def test_offsets_count_from_the_unstripped_text():
    (phrase,) = NounPhrases().find(answer("  The cat sleeps. "))
    assert phrase.span == (2, 9)


def test_pronouns_are_phrases_as_published_unless_they_are_not_wanted():
    text = "They see the dog and it sees them."
    assert found(text) == ["They", "the dog", "it", "them"]
    assert found(text, pronouns=False) == ["the dog"]


def test_bullets_and_quotes_at_the_ends_are_cut_unless_as_published():
    text = "- a red car\n- “the dog”"
    assert found(text) == ["a red car", "the dog"]
    assert found(text, trim=False)[0] == "- a red car"


def test_unicode_and_lists_keep_their_characters():
    text = "1. The café’s owner\n2. a 🦋 on the naïve girl's hat"
    for phrase in NounPhrases().find(answer(text, width=1)):
        assert text[slice(*phrase.span)] == phrase.text
        assert phrase.tokens == tuple(range(*phrase.span))
    assert "the naïve girl's hat" in found(text)


@pytest.mark.parametrize(
    ("fallback", "units"), [("none", []), ("words", ["Yes"]), ("sentences", ["Yes"])]
)
def test_an_answer_without_a_phrase_offers_what_is_asked_for(fallback, units):
    assert found("Yes.", fallback=fallback) == units


def test_the_fallback_is_not_used_beside_phrases():
    assert found("The cat sleeps.", fallback="words") == ["The cat"]


def test_an_empty_answer_has_no_phrase():
    assert NounPhrases(fallback="words").find(Answer("")) == []


def test_tokens_overlap_strictly_and_empty_ones_never():
    spans = [(0, 3), (3, 3), (3, 5), (3, 5), (5, 8)]
    assert overlapping_tokens([(0, 3), (2, 4), (3, 5), (8, 9)], spans) == [
        (0,),
        (0, 2, 3),
        (2, 3),
        (),
    ]


def test_a_pipeline_that_is_not_installed_is_named_with_the_command():
    with pytest.raises(PrerequisiteError, match="spacy download en_core_web_xx"):
        load_pipeline("en_core_web_xx")


def test_a_text_is_cut_at_its_phrases_and_loses_nothing():
    text = "A red cat sat."
    phrases = [Phrase("A red", (0, 5)), Phrase("red", (2, 5)), Phrase("red cat", (2, 9))]
    pieces = cut_at_phrases(text, phrases)
    assert pieces == [("A red", 0), (" cat", 2), (" sat.", None)]
    assert cut_at_phrases("", []) == []
