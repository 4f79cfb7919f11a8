"""Cambrian-1 reads the answers of others with the rows of generating them."""

import numpy as np
import pytest

from pixfoundation.models.base import GivenAnswer
from tests.models.cambrian.test_adapter import ATTENTIVE, ask, image_of, loaded


@pytest.mark.parametrize("share_prefix", [True, False])
@pytest.mark.parametrize("tokens_known", [True, False])
def test_the_answers_of_others_are_read(speaking, share_prefix, tokens_known):
    model = loaded(speaking, share_prefix=share_prefix)
    images = [image_of(80, 60)] * 2 + [image_of(60, 80, 1)]
    prompts = [ask("Where is it?"), ask("What is the red hat?"), ask("Identify it.")]
    generated = loaded(speaking, share_prefix=False).answer(images, prompts, ATTENTIVE)
    given = [
        GivenAnswer(a.text, a.token_ids if tokens_known else (), ended=a.ended) for a in generated
    ]
    for one, other in zip(model.read(images, prompts, given, ATTENTIVE), generated, strict=True):
        if not tokens_known and one.error is not None:
            assert "cannot write" in one.error  # random weights write what no text gives back
            continue
        assert one.text == other.text
        assert one.trace is not None
        assert other.trace is not None
        assert one.trace.frame == other.trace.frame
        if one.token_ids == other.token_ids:
            assert one.spans == other.spans
            np.testing.assert_allclose(one.trace.rows, other.trace.rows, atol=1e-5)
            assert one.trace.first_row is not None
            assert other.trace.first_row is not None
            np.testing.assert_allclose(one.trace.first_row, other.trace.first_row, atol=1e-5)
        else:
            assert not tokens_known
