"""Sa2VA shows its passes, scores answers and blocks attention as it generates."""

import pytest

from pixfoundation.models.base import Decoding, GivenAnswer
from pixfoundation.types import Prompt
from tests.models.looking_inside import assert_looks_inside
from tests.models.sa2va.conftest import noise


@pytest.mark.parametrize("kind", ["internvl", "internlm2", "qwen2.5", "qwen3"])
def test_it_looks_inside(loaded, kind):
    size = (150, 90) if kind == "internvl" else (64, 64)  # one kind in tiles, too
    assert_looks_inside(loaded(kind), noise(*size), Prompt("1", 2, "Which letter is it?"))


def test_answers_carry_their_pass(loaded):
    prompt = Prompt("1", 3, "Please segment the cat.")
    (answer,) = loaded("internvl").answer([noise(90, 90)], [prompt], Decoding(4, forward=True))
    assert answer.forward.token_ids == answer.token_ids


def test_answers_that_are_read_carry_their_pass(loaded):
    prompt, decoding = Prompt("1", 1, "What is it?"), Decoding(4, forward=True)
    (answer,) = loaded("internvl").read(
        [noise(90, 90)], [prompt], [GivenAnswer("The cat.")], decoding
    )
    assert answer.forward.token_ids == answer.token_ids
