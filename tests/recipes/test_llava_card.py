"""What the model card of tiny-llava says about the truth of answers."""

from recipes.llava_card import is_letter, phrase_truth, scenes_by_sample
from recipes.texts import identify_sentence
from tests.optional import needs

from pixfoundation.datasets.pixscenes.pairs import Target
from pixfoundation.datasets.pixscenes.scenes import KINDS

pytestmark = needs("spacy")


def test_scenes_are_numbered_like_the_samples_of_the_test_set():
    assert list(scenes_by_sample(2)) == ["1", "2", "3", "4"]


def test_phrases_of_true_descriptions_are_true():
    scenes = scenes_by_sample(4)
    answers = {
        sample: f" {identify_sentence(scene, 'the thing', Target(0))}"
        for sample, scene in scenes.items()
    }
    truth = phrase_truth(answers, scenes)
    assert truth.true > 0.95
    assert truth.per_answer >= 4


def test_phrases_about_things_that_are_not_there_are_false():
    scenes = scenes_by_sample(4)
    answers = {}
    for sample, scene in scenes.items():
        absent = next(kind for kind in KINDS if not scene.of_kind(kind))
        answers[sample] = f" The large {absent} is next to the small {absent}."
    truth = phrase_truth(answers, scenes)
    assert truth.true == 0
    assert truth.per_answer == 2


def test_answers_that_are_letters_are_told_from_the_texts_of_options():
    assert all(map(is_letter, (" A", "B", " b.")))
    assert not any(map(is_letter, ("Left", "", " 4", "A or B")))
