"""Which words a mask belongs to."""

import pytest

from pixfoundation.models.llama_tokens import Decoded
from pixfoundation.models.omg_llava.phrases import named, phrase_spans, published_text
from pixfoundation.models.omg_llava.vocabulary import Vocabulary

VOCABULARY = Vocabulary(100)
SEG, OPEN, CLOSE = 100, 101, 102


def spoken(*parts):
    """Ids and decoded text of words (one id each) and marks (no characters)."""
    ids, spans, text = [], [], ""
    for part in parts:
        start = len(text)
        text += "" if isinstance(part, int) else part
        ids.append(part if isinstance(part, int) else 7)
        spans.append((start, len(text)))
    return ids, Decoded(text, tuple(spans))


def phrases(*parts):
    ids, decoded = spoken(*parts)
    return [span and decoded.text[slice(*span)] for span in phrase_spans(ids, decoded, VOCABULARY)]


def test_a_phrase_belongs_to_the_seg_behind_it():
    found = phrases("Here", OPEN, " a", " cat", CLOSE, SEG, " on", OPEN, " mats", CLOSE, SEG, ".")
    assert found == ["a cat", "mats"]


def test_a_seg_without_a_phrase_of_its_own_has_none():
    assert phrases("It", " is", SEG, ".") == [None]
    assert phrases(OPEN, " cat", CLOSE, SEG, SEG, ".") == ["cat", None]
    assert phrases(OPEN, " cat", SEG, CLOSE, ".") == [None]
    assert phrases(CLOSE, " cat", SEG, ".") == [None]
    assert phrases(OPEN, " ", CLOSE, SEG, ".") == [None]


def test_of_two_phrases_before_a_seg_the_nearer_counts():
    assert phrases(OPEN, " cat", CLOSE, OPEN, " dog", CLOSE, SEG, ".") == ["dog"]


def test_the_very_last_seg_has_no_state_and_so_no_mask():
    assert phrases(OPEN, " cat", CLOSE, SEG) == []


@pytest.mark.parametrize(
    ("wanted", "indices"),
    [("The red cat", [0, 3]), ("cat", [0, 3]), ("dog", [1]), ("house", []), ("", [])],
)
def test_the_named_phrase_shares_most_words(wanted, indices):
    assert named(["a red cat", "two dogs, one dog", None, "red cat"], wanted) == indices


def test_the_published_clean_up():
    raw = "Sure,\nit is <p>  the cat</p>  [SEG] .<|im_end|>"
    assert published_text(raw) == "Sure,it is  the cat  ."
