"""Twins of the embedded model: the same code with the image or the weights taken away."""

from __future__ import annotations

import pytest
from PIL import Image

import pixfoundation as pf
from pixfoundation.errors import DataError
from pixfoundation.models.card import find_checkpoint

SHORT = pf.Decoding(max_new_tokens=6)
RED, BLUE = (Image.new("RGB", (160, 120), colour) for colour in ("red", "blue"))
PROMPT = pf.Prompt(sample="1", protocol=2, text="What color is the picture?")


def answers(model: pf.Model) -> list[str]:
    return [answer.text for answer in model.answer([RED, BLUE], [PROMPT, PROMPT], SHORT)]


def test_the_blind_twin_answers_as_the_model_does_about_a_grey_image() -> None:
    grey = Image.new("RGB", RED.size, (128, 128, 128))
    (expected,) = pf.load_model("tiny-llava").answer([grey], [PROMPT], SHORT)

    assert answers(pf.load_model("tiny-llava-blind")) == [expected.text, expected.text]


def test_the_twin_with_random_weights_is_the_same_twice_and_differs_by_seed() -> None:
    first, second, other = (
        answers(pf.load_model("tiny-llava-random", random_weights=seed)) for seed in (3, 3, 4)
    )

    assert first == second != other


def test_a_twin_is_told_apart_by_its_name_and_its_fingerprint() -> None:
    model, twin = pf.load_model("tiny-llava"), pf.load_model("tiny-llava-blind")

    assert twin.name == "tiny-llava-blind"
    assert twin.fingerprint() == model.fingerprint() | {"name": twin.name, "blind": True}


def test_any_model_of_transformers_has_such_twins_by_its_options() -> None:
    by_option = pf.load_model("tiny-llava", blind=True)

    assert answers(by_option) == answers(pf.load_model("tiny-llava-blind"))


def test_a_seed_of_random_weights_is_not_negative() -> None:
    with pytest.raises(DataError, match="random_weights"):
        pf.load_model("tiny-llava", random_weights=-1)


@pytest.mark.parametrize("twin", ["tiny-llava-blind", "tiny-llava-random"])
def test_twins_need_no_weights_of_their_own(twin: str) -> None:
    known = find_checkpoint(twin)

    assert known is not None
    assert known[1].twin_of == "tiny-llava"
    assert known[1].is_embedded
