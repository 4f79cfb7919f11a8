"""Phrases by ids, and the published pairing by text with its faults."""

import pytest

from pixfoundation.models.llava_grounding.pairing import phrase_ranges, published_pairing
from pixfoundation.models.llava_grounding.tags import Tags

S, E, G = TAGS = Tags(600, 601, 602)


@pytest.mark.parametrize(
    ("ids", "ranges"),
    [
        ([5, S, 7, 8, E, G, 9], [(2, 4)]),
        ([S, 7, E, G, 9, S, 8, 8, E, G, 2], [(1, 2), (6, 8)]),
        ([G, 5, S, 7, E, G], [None, (3, 4)]),  # <seg> first belongs to no phrase
        ([S, 7, E, G, G], [(1, 2), None]),  # a phrase has one mask
        ([S, 7, E, 9, S, 8, E, G], [(5, 6)]),  # a phrase without <seg> is passed over
        ([S, 7, E, 9, G], [(1, 2)]),
        ([S, 7, 8, G], [(1, 3)]),  # not closed
        ([E, G, S, E, G], [None, None]),  # nothing inside
        ([5, 6, 2], []),
    ],
)
def test_phrases_by_ids(ids, ranges):
    assert phrase_ranges(ids, TAGS) == ranges


def test_published_text_keeps_its_tags_where_all_phrases_have_masks():
    text = "I see <g_s> a cat <g_e> <seg> and <g_s> a mat <g_e> <seg> ."
    assert published_pairing(text, [True, True]) == (text, ["a cat", "a mat"])


def test_published_text_loses_the_tags_of_a_phrase_without_a_mask():
    text = "I see <g_s> a cat <g_e> <seg> and <g_s> a mat <g_e> <seg> ."
    rewritten, phrases = published_pairing(text, [True, False])
    assert rewritten == "I see <g_s> a cat <g_e> <seg> and a mat ."
    assert phrases == ["a cat", "a mat"]
    rewritten, _ = published_pairing(text, [False, False])
    assert rewritten == " I see a cat and a mat ."


def test_published_text_that_begins_with_seg_is_doubled_and_mispaired():
    assert published_pairing("<seg> then", [True]) == ("<seg> then <seg><seg> then", [None])
    text = "<seg> then <g_s> a cat <g_e> <seg> and <g_s> a mat <g_e> <seg> ."
    _, phrases = published_pairing(text, [True, True, True])
    assert phrases == ["a cat", "a mat", None]  # by ids: None, 'a cat', 'a mat'


def test_published_text_without_seg_is_left_alone():
    assert published_pairing("A <g_s> cat", []) == ("A <g_s> cat", [])
