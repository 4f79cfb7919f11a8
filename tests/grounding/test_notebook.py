"""A grounded image shows its answer and masks in a notebook by itself."""

import base64
import io
import re
from pathlib import Path

import numpy as np
from PIL import Image

from pixfoundation.grounding.colours import PHRASE_COLOURS
from pixfoundation.grounding.one_image import GroundedImage
from pixfoundation.masks import Mask
from pixfoundation.types import Answer, Candidate, Phrase, Prompt, Sample

SIZE = (40, 60)


def half(left: bool) -> Mask:
    array = np.zeros(SIZE, bool)
    array[:, :30] = left
    array[:, 30:] = not left
    return Mask.from_array(array)


def test_the_best_mask_of_each_phrase_is_drawn_in_the_colour_of_its_words():
    dog, cat = Phrase("a <dog>", (0, 7)), Phrase("a cat", (12, 17))
    candidates = (
        Candidate(half(False), dog, score=0.2),
        Candidate(half(True), dog, score=0.9, index=1),
        Candidate(half(False), cat, score=0.5),
    )
    sample = Sample("image", Path(), SIZE, None, (), None, "a dog", Mask.empty(SIZE))
    image = Image.new("RGB", (60, 40))
    answer = Answer("a <dog> and a cat")
    shown = GroundedImage(image, sample, Prompt("image", 3, "?"), answer, candidates)._repr_html_()
    first, second = PHRASE_COLOURS[:2]
    assert f'<b style="color:{first}">a &lt;dog&gt;</b> and ' in shown
    assert f'<b style="color:{second}">a cat</b>' in shown
    data = re.search('base64,([^"]+)', shown)[1]
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))
    assert pixels.shape == (*SIZE, 3)
    for column, colour in ((10, first), (50, second)):
        expected = [int(colour[i : i + 2], 16) / 2 for i in (1, 3, 5)]
        assert np.abs(pixels[20, column] - np.array(expected)).max() <= 1
