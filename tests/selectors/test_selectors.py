"""Each selector chooses as its rule says; ties and orders as published where asked for."""

from dataclasses import replace

import numpy as np
import pytest

from pixfoundation.conventions import DEFAULT, PUBLISHED, NativeMasks, SelectionConventions
from pixfoundation.errors import UnknownNameError
from pixfoundation.masks import Mask
from pixfoundation.selectors import AnswerCandidates, selectors
from pixfoundation.selectors.base import Pick, SelectorSettings
from pixfoundation.similarity import Similarity
from pixfoundation.types import Candidate, Phrase, Sample

SIZE = (4, 10)
FIRST = SelectionConventions(native_masks=NativeMasks.FIRST)


def columns(start, end):
    array = np.zeros(SIZE, bool)
    array[:, start:end] = True
    return Mask.from_array(array)


EMPTY = Mask.empty(SIZE)


def sample(mask=None, expression="the dog"):
    return Sample("1", "x.png", SIZE, "q?", ("A", "B"), "a", expression, mask or columns(0, 5))


def candidate(mask, phrase=None, similarity=None, score=None, index=0, source="attention"):
    words = Phrase(phrase, (0, 1)) if phrase else None
    return Candidate(mask, words, None, None, score, index, source, similarity=similarity)


def of_phrases(similarities, scores=(None, None, None)):
    """Three masks a phrase; mask j of phrase i covers i + j + 1 columns."""
    return tuple(
        candidate(columns(0, i + j + 1), f"phrase {i}", value, scores[j], j)
        for i, value in enumerate(similarities)
        for j in range(3)
    )


def select(name, answer, **settings):
    return selectors.get(name)(SelectorSettings(**settings)).select(answer)


def test_oracle_takes_the_best_iou_and_of_equals_the_last():
    masks = [columns(0, 4), columns(1, 5), columns(5, 6)]
    chosen = select("oracle", AnswerCandidates(sample(), tuple(candidate(m) for m in masks)))
    assert (chosen.candidate, chosen.evidence) == (1, 0.8)


def test_oracle_knows_where_nothing_is():
    chosen = select("oracle", AnswerCandidates(sample(EMPTY), (candidate(columns(0, 3)),)))
    assert chosen.mask == EMPTY
    assert select("oracle", AnswerCandidates(sample(EMPTY), ())).mask == EMPTY


def test_oracle_without_candidates_has_nothing_to_choose():
    assert select("oracle", AnswerCandidates(sample(), ())).mask is None


@pytest.mark.parametrize(
    ("similarities", "rules", "expected"),
    [
        ([0.9, 0.8], PUBLISHED, 2),  # the best phrase's third mask
        ([0.8, 0.8], PUBLISHED, 5),  # of equal phrases the last
        ([0.7, 0.1], PUBLISHED, 2),  # 0.7 itself passes
        ([0.9, 0.8], DEFAULT, 2),  # without scores the third as well
        ([0.8, 0.8], DEFAULT, 5),
    ],
)
def test_similarity_takes_the_likest_phrase(similarities, rules, expected):
    answer = AnswerCandidates(sample(), of_phrases(similarities))
    assert select("similarity", answer, conventions=rules.selection).candidate == expected


def test_similarity_takes_the_surest_mask_of_the_phrase_where_scores_are_known():
    answer = AnswerCandidates(sample(), of_phrases([0.1, 0.9], scores=(0.2, 0.8, 0.5)))
    assert select("similarity", answer).candidate == 4
    assert select("similarity", answer, conventions=PUBLISHED.selection).candidate == 5


@pytest.mark.parametrize("rules", [PUBLISHED, DEFAULT])
def test_a_best_similarity_below_the_threshold_says_not_there(rules):
    answer = AnswerCandidates(sample(), of_phrases([0.69, 0.2]))
    assert select("similarity", answer, conventions=rules.selection).mask == EMPTY


def test_only_negative_similarities_choose_nothing_as_published():
    answer = AnswerCandidates(sample(), of_phrases([-0.1, -0.2]))
    assert select("similarity", answer, conventions=PUBLISHED.selection).mask is None
    assert select("similarity", answer).mask == EMPTY


def test_similarity_is_computed_where_it_was_not_imported():
    class Likes:
        name, threshold = "likes", 0.7

        def of(self, phrases, expression):
            assert expression == "the dog"
            return np.array([float("1" in phrase) for phrase in phrases])

    answer = AnswerCandidates(sample(), of_phrases([None, None]))
    assert select("similarity", answer, similarity=Likes()).candidate == 5


def test_auto_takes_the_pick():
    masks = (candidate(columns(0, 1)), candidate(columns(0, 2)))
    assert select("auto", AnswerCandidates(sample(), masks, pick=Pick(1))).candidate == 1
    assert select("auto", AnswerCandidates(sample(), masks, pick=Pick(None))).mask == EMPTY
    assert select("auto", AnswerCandidates(sample(), masks)).mask is None
    assert select("auto", AnswerCandidates(sample(), masks, pick=Pick(7))).mask is None


def test_native_masks_are_united_or_the_first_counts():
    own = tuple(candidate(columns(i, i + 1), source="native") for i in (0, 3))
    answer = AnswerCandidates(sample(), own, native=True)
    assert select("native", answer).mask.area == 8
    assert select("native", answer, conventions=FIRST).mask == columns(0, 1)


def test_a_native_model_without_a_mask_says_not_there():
    assert select("native", AnswerCandidates(sample(), (), native=True)).mask == EMPTY


def test_random_takes_the_surest_mask_of_the_first_point():
    scores = (1, 3, 2, 9, 9, 9)
    masks = [candidate(columns(0, i + 1), score=s, index=i % 3) for i, s in enumerate(scores)]
    assert select("random", AnswerCandidates(sample(), (), tuple(masks))).candidate == 1


def test_the_oracles_chance_has_as_many_points_as_the_answer():
    points = tuple(
        candidate(columns(0, width), index=i % 3, source="random")
        for i, width in enumerate((1, 2, 3, 4, 4, 4, 5, 5, 5))
    )
    answer = of_phrases([0.1, 0.1])
    assert select("oracle_random", AnswerCandidates(sample(), answer, points)).mask == columns(0, 4)
    assert select("oracle_random", AnswerCandidates(sample(), answer[:3], points)).mask == columns(
        0, 3
    )
    assert select("oracle_random", AnswerCandidates(sample(), (), points)).mask is None


def test_score_and_union():
    masks = (candidate(columns(0, 1), score=0.3), candidate(columns(4, 6), score=0.9))
    assert select("score", AnswerCandidates(sample(), masks)).candidate == 1
    assert select("union", AnswerCandidates(sample(), masks)).mask.area == 12


def test_selectors_apply_only_where_they_have_what_they_need():
    plain = AnswerCandidates(sample(), (candidate(columns(0, 1), source="native"),), native=True)
    applies = {e.name for e in selectors if e.load()(SelectorSettings()).applies([plain])}
    assert applies == {"native", "union"}


def test_an_unknown_selector_names_near_ones():
    with pytest.raises(UnknownNameError, match="oracle"):
        selectors.get("orakel")


class TwoWords:
    """Vectors that put every phrase at a cosine of 0.6 to the expression 'the dog'."""

    name, threshold = "two-words", 0.5

    def vectors(self, phrases):
        return np.array([[1, 0] if p == "dog" else [0.6, 0.8] for p in phrases], np.float32)


def pick_by_similarity(settings, similarity=None):
    phrase = Phrase("a red gate", (0, 10))
    own = Candidate(columns(0, 4), phrase, score=0.9, similarity=similarity)
    return selectors.get("similarity")(settings).select(AnswerCandidates(sample(), (own,)))


def test_computed_similarities_meet_the_threshold_of_their_vectors():
    similarity = Similarity(TwoWords())
    assert pick_by_similarity(SelectorSettings(similarity=similarity)).candidate == 0
    picky = pick_by_similarity(SelectorSettings(similarity=similarity, threshold=0.65))
    assert (picky.candidate, picky.mask.is_empty) == (None, True)
    assert picky.evidence == pytest.approx(0.6)


def test_stored_similarities_and_the_published_rules_keep_the_published_threshold():
    similarity = Similarity(TwoWords())
    settings = SelectorSettings(similarity=similarity)
    assert pick_by_similarity(settings, similarity=0.69).mask.is_empty
    assert pick_by_similarity(settings, similarity=0.7).candidate == 0
    published = SelectorSettings(PUBLISHED.selection, similarity)
    assert pick_by_similarity(published).mask.is_empty


def test_a_model_that_states_coordinates_has_a_choice_of_its_own():
    def stated(mask, point, index, score):
        return Candidate(mask, point=point, index=index, score=score, source="coordinates")

    answer = AnswerCandidates(
        sample(),
        (
            stated(columns(0, 1), (1.0, 1.0), 0, 0.9),
            stated(columns(0, 9), (1.0, 1.0), 1, 0.2),
            stated(columns(5, 9), (7.0, 1.0), 0, 0.1),
            stated(columns(5, 6), (7.0, 1.0), 1, 0.8),
        ),
    )
    selector = selectors.get("coordinates")(SelectorSettings())
    assert selector.applies([answer])
    assert selector.select(answer).mask.area == 8  # columns 0 and 5
    one = replace(answer, candidates=answer.candidates[:2])
    assert selector.select(one).candidate == 0
    assert selector.select(replace(answer, candidates=())).mask is None
