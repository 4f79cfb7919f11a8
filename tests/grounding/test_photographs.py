"""The two photographs of the published demo go through with every family, from file to masks."""

import pytest
from tests.optional import needs
from tests.tiny_checkpoints import FAMILIES, SEGMENTERS, TEXT_SEGMENTERS, saved

from pixfoundation import api
from pixfoundation.grounding.attend_and_segment import load as load_grounder
from pixfoundation.images import load_image
from pixfoundation.models.base import Decoding
from pixfoundation.models.transformers.adapter import load as load_model
from pixfoundation.segmenters.sam import load as load_segmenter
from pixfoundation.segmenters.text import load as load_word_segmenter
from pixfoundation.types import Prompt

pytestmark = needs("spacy")


PHOTOGRAPHS = {
    "image1.jpeg": "the closed kitten's eyes",
    "image2.jpg": "the hands holding the hat",
}


@pytest.mark.parametrize("name", [name for name in FAMILIES if "-" not in name])
def test_answers_of_random_weights_are_grounded_at_the_size_of_the_photograph(name, shared):
    model = load_model(str(saved(name)))
    grounder = load_grounder(load_segmenter(str(saved("sam"))), fallback="words")
    for file, expression in PHOTOGRAPHS.items():
        text = f"Identify {expression} in the scene."
        image = load_image(shared / "data" / "photos" / file)
        (answer,) = model.answer(
            [image], [Prompt("1", 3, text)], Decoding(max_new_tokens=6, attention=True)
        )
        assert answer.trace.frame.image_size == (image.height, image.width)
        for candidate in grounder.ground(image, answer):
            assert candidate.mask.size == (image.height, image.width)
            assert 0 <= candidate.point[0] < image.width
            assert 0 <= candidate.point[1] < image.height


@pytest.fixture(scope="module")
def embedded_model():
    return api.load_model("tiny-llava")


@pytest.mark.parametrize("name", ["tiny-sam", *SEGMENTERS])
@pytest.mark.parametrize("prompt", ["point", "mask"])
def test_every_segmenter_draws_on_the_photographs(name, prompt, embedded_model, shared):
    drawer = name if name == "tiny-sam" else str(saved(name))
    for file, expression in PHOTOGRAPHS.items():
        found = api.ground(
            shared / "data" / "photos" / file, expression, embedded_model,
            api.load_segmenter(drawer), grounder_options={"prompt": prompt, "fallback": "words"},
        ).grounded  # fmt: skip
        assert found.candidates
        assert len(found.candidates) == 3 * len(found.phrases)
        assert {c.mask.size for c in found.candidates} == {(found.image.height, found.image.width)}


@pytest.mark.parametrize("name", TEXT_SEGMENTERS)
def test_segmenters_of_words_go_through_the_photographs(name, embedded_model, shared):
    for file, expression in PHOTOGRAPHS.items():
        found = api.ground(
            shared / "data" / "photos" / file, expression, embedded_model,
            load_word_segmenter(str(saved(name))), grounder="words",
        ).grounded  # fmt: skip
        size = (found.image.height, found.image.width)
        assert all(candidate.mask.size == size for candidate in found.candidates)
