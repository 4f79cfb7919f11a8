"""The two photographs of the published demo go through with every family, from file to masks."""

import pytest
from tests.tiny_checkpoints import FAMILIES, saved

from pixfoundation.grounding.attend_and_segment import load as load_grounder
from pixfoundation.images import load_image
from pixfoundation.models.base import Decoding
from pixfoundation.models.transformers_adapter import load as load_model
from pixfoundation.segmenters.sam import load as load_segmenter
from pixfoundation.types import Prompt

pytest.importorskip("spacy")

PHOTOGRAPHS = {
    "image1.jpeg": "Identify the closed kitten's eyes in the scene.",
    "image2.jpg": "Identify the hands holding the hat in the scene.",
}


@pytest.mark.parametrize("name", [name for name in FAMILIES if "-" not in name])
def test_answers_of_random_weights_are_grounded_at_the_size_of_the_photograph(name, shared):
    model = load_model(str(saved(name)))
    grounder = load_grounder(load_segmenter(str(saved("sam"))), fallback="words")
    for file, text in PHOTOGRAPHS.items():
        image = load_image(shared / "data" / "photos" / file)
        (answer,) = model.answer(
            [image], [Prompt("1", 3, text)], Decoding(max_new_tokens=6, attention=True)
        )
        assert answer.trace.frame.image_size == (image.height, image.width)
        for candidate in grounder.ground(image, answer):
            assert candidate.mask.size == (image.height, image.width)
            assert 0 <= candidate.point[0] < image.width
            assert 0 <= candidate.point[1] < image.height
