"""The threshold of phrase vectors is found on names of drawn things that no test holds."""

import numpy as np
import pytest
from recipes.phrase_threshold import calibrate, examples

from pixfoundation.datasets.pixscenes.dataset import NAMESPACES
from pixfoundation.similarity import WordLlamaVectors


class FirstLetters:
    """Vectors that know a word by its letters: phrases with the same words are alike."""

    name = "first-letters"

    def vectors(self, phrases):
        return np.array(
            [[p.split()[-1].count(letter) for letter in "abcdefghijklmnop"] for p in phrases],
            dtype=np.float32,
        )


def test_the_calibration_split_is_neither_the_test_set_nor_a_training():
    assert len(set(NAMESPACES.values())) == len(NAMESPACES) == 3


def test_right_names_are_of_the_thing_and_wrong_ones_of_another():
    for expression, right, wrong in examples(20):
        assert not set(right) & set(wrong), expression
        assert right


def test_the_best_threshold_tells_right_names_from_wrong_ones_best():
    found = calibrate(FirstLetters(), pairs=20)
    best = found.balanced_accuracy(found.threshold)
    assert best >= max(found.balanced_accuracy(t) for t in np.arange(0, 1, 0.05))
    assert best > 0.7


def test_the_threshold_in_the_package_is_what_the_recipe_finds():
    pytest.importorskip("wordllama")
    found = calibrate("wordllama")
    assert found.threshold == WordLlamaVectors.threshold
    assert found.balanced_accuracy(found.threshold) > found.balanced_accuracy(0.7) + 0.05
