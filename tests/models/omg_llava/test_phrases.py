"""The masks whose phrase is most like an expression, and the published clean-up."""

import pytest

from pixfoundation.models.omg_llava.phrases import most_similar
from pixfoundation.models.omg_llava.prompt import published_text


@pytest.mark.parametrize(
    ("expression", "indices"),
    [("The red cat", [0, 3]), ("cat", [0, 3]), ("dog", [1]), ("house", []), ("", [])],
)
def test_the_most_similar_phrase_shares_most_words(expression, indices):
    assert most_similar(["a red cat", "two dogs, one dog", None, "red cat"], expression) == indices


def test_the_published_clean_up():
    raw = "Sure,\nit is <p>  the cat</p>  [SEG] .<|im_end|>"
    assert published_text(raw) == "Sure,it is  the cat  ."
