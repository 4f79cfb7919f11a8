"""Cambrian-1 shows its passes, scores answers and blocks attention as it generates."""

import dataclasses

import numpy as np
import pytest

from pixfoundation.attention import AttentionError
from pixfoundation.conventions import DEFAULT, PUBLISHED
from pixfoundation.geometry import GridFrame
from pixfoundation.models.base import Decoding
from pixfoundation.models.interventions import Block
from tests.models.cambrian.test_adapter import ask, image_of, loaded
from tests.models.looking_inside import assert_looks_inside


@pytest.fixture(scope="module")
def model(speaking):
    return loaded(speaking)


@pytest.mark.parametrize("rules", [DEFAULT.model, PUBLISHED.model], ids=["default", "published"])
def test_it_looks_inside(model, rules):
    assert_looks_inside(model, image_of(80, 60), ask("Where is the red hat?"), rules)


def test_answers_carry_their_pass(model):
    asked = Decoding(4, forward=True)
    (answer,) = model.answer([image_of(60, 80)], [ask("Where is it?")], asked)
    assert answer.forward.token_ids == answer.token_ids
    assert dataclasses.replace(answer, forward=None).trace is None


def test_a_block_on_another_grid_is_refused(model):
    block = Block(np.ones((3, 3), bool), GridFrame.stretched(3, 3, (60, 80)))
    with pytest.raises(AttentionError, match="3 x 3 cells, but the model sees this image in"):
        model.score_blocked(image_of(80, 60), ask("Where?"), (5, 2), [block])
