"""Phrases are compared by vectors with articles stripped; each pair is computed once."""

import json

import numpy as np
import pytest

from pixfoundation.errors import PrerequisiteError, UnknownNameError
from pixfoundation.similarity import Similarity, WordLlamaVectors, load_vectors, normalised


class Letters:
    """Counts letters; knows how often it was asked."""

    name = "letters"

    def __init__(self):
        self.asked = []

    def vectors(self, phrases):
        self.asked.append(list(phrases))
        return np.array([[p.count("a"), p.count("b")] for p in phrases], dtype=np.float32)


@pytest.mark.parametrize(
    ("phrase", "plain"),
    [("The Dog", "dog"), (" a cat", "cat"), ("an the x", "the x"), ("theory", "theory"), ("", "")],
)
def test_one_leading_article_goes(phrase, plain):
    assert normalised(phrase) == plain


def test_similarity_is_the_cosine():
    values = Similarity(Letters()).of(["aab", "b", "zz"], "a")
    assert values == pytest.approx([2 / np.sqrt(5), 0.0, 0.0], abs=1e-6)


def test_a_known_pair_is_not_computed_again(tmp_path):
    vectors = Letters()
    first = Similarity(vectors)
    first.of(["ab", "ab", "b"], "a")
    assert vectors.asked == [["a", "ab", "b"]]
    (tmp_path / "s.json").write_text(json.dumps(first.to_json()))
    second = Similarity.cached(tmp_path / "s.json", Letters())
    again = Letters()
    second._vectors = again
    assert second.of(["ab", "b"], "a").tolist() == first.of(["ab", "b"], "a").tolist()
    assert not again.asked
    assert not second.grew


@pytest.mark.parametrize("held", ["{", "[]", '{"vectors": "other", "pairs": {"a": {"b": 1}}}'])
def test_a_cache_that_cannot_be_used_is_an_empty_one(tmp_path, held):
    (tmp_path / "s.json").write_text(held)
    assert Similarity.cached(tmp_path / "s.json", Letters()).known == {}


def test_unknown_and_missing_vectors_say_what_to_do():
    with pytest.raises(UnknownNameError, match="wordllama"):
        load_vectors("wordlama")
    with pytest.raises(PrerequisiteError, match="pip install"):
        load_vectors("en_core_web_lg")


def test_the_vectors_of_the_wheel_know_likeness_without_network():
    pytest.importorskip("wordllama")
    similarity = Similarity(WordLlamaVectors())
    near, far, same = similarity.of(
        ["the wings", "a parked car", "A butterfly's wings"], "the butterfly's wings"
    )
    assert same == pytest.approx(1.0)
    assert near > 0.7 > far


class Calibrated(Letters):
    threshold = 0.3


def test_the_threshold_belongs_to_the_vectors():
    own = Similarity(Calibrated())
    assert (own.threshold, own.calibrated) == (0.3, True)
    other = Similarity(Letters())  # states none: the published one, and that is said
    assert (other.threshold, other.calibrated) == (0.7, False)
