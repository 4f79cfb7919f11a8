"""The pass over prompt and answer shows observers what eager attention says, for every family."""

import numpy as np
import pytest
import torch
from tests.reading.by_eager import IMAGE, QUESTION, answered, eager, tiny
from tests.tiny_checkpoints import FAMILIES

from pixfoundation.models.base import Decoding, GivenAnswer
from pixfoundation.reading.attention import AttentionReading
from pixfoundation.reading.base import Silent, read_maps
from pixfoundation.types import Prompt


class Keeper(Silent):
    """Keeps everything that a pass shows."""

    wants_states = True

    def __init__(self, first):
        self.queries, self.rows, self.states = range(first, 10**6), {}, {}

    def attend(self, layer, first, weights):
        self.rows.setdefault(layer, []).append(weights)

    def state(self, layer, states):
        self.states[layer] = states


FAST = ("llava", "llava-gemma2", "qwen2_5_vl", "gemma3")


@pytest.mark.parametrize(
    "name",
    [
        name if name in FAST else pytest.param(name, marks=pytest.mark.slow)
        for name in FAMILIES
        if not name.endswith("-window")
    ],
)
def test_rows_and_states_of_every_family_equal_eager_attention(name):
    model = tiny(name)
    answer = answered(model)
    forward = answer.forward
    keeper = Keeper(forward.prompt_length - 1)
    forward.run([keeper])
    reference = eager(model, QUESTION, answer.token_ids)
    assert forward.prompt_length == reference.prompt
    assert torch.equal(forward.input_ids, reference.ids)
    for layer, weights in enumerate(reference.attention):
        rows = torch.cat(keeper.rows[layer], dim=1)
        torch.testing.assert_close(
            rows, weights[0, :, reference.prompt - 1 :].detach(), atol=1e-5, rtol=0
        )
    assert len(keeper.states) == len(reference.states)
    if name != "qwen3_vl":  # transformers reports the states before it adds visual features
        for layer, states in keeper.states.items():
            torch.testing.assert_close(
                states, reference.states[layer].detach(), atol=1e-4, rtol=1e-4
            )


@pytest.mark.slow
@pytest.mark.parametrize("name", [*FAMILIES])
def test_the_attention_of_the_pass_is_that_captured_while_generating(name):
    """A wrong position, mask or image would show here, where no reference is recomputed."""
    if name.endswith("-window"):
        pytest.skip("generating forgets tokens that left the window; the pass sees all at once")
    model = tiny(name)
    answer = answered(model, attention=True)
    (maps,) = read_maps([AttentionReading(centred=False)], answer.forward, [[0], [2, 3], [7]])
    rows = answer.trace.rows
    expected = np.stack([rows[0], (rows[2] + rows[3]) / 2, rows[7]])
    np.testing.assert_allclose(maps, expected, atol=1e-5)
    assert answer.forward.frame == answer.trace.frame


@pytest.mark.parametrize("tokens", [1, 2])
def test_short_answers_have_a_pass(tokens):
    model = tiny("llava")
    answer = answered(model, tokens=tokens, attention=True)
    (maps,) = read_maps([AttentionReading()], answer.forward, [[0]])
    rows = answer.trace.rows[:tokens]
    expected = rows[0] - rows.mean(axis=0) if tokens > 1 else rows[0]
    np.testing.assert_allclose(maps[0], expected, atol=1e-6)


def test_a_pass_about_another_prompt_has_the_same_image_and_no_answer():
    model = tiny("llava")
    other = answered(model).forward.about("What is it?")
    assert other.token_ids == ()
    assert other.frame.image_size == (IMAGE.height, IMAGE.width)
    reference = eager(model, "What is it?", ())
    assert torch.equal(other.input_ids, reference.ids)


def test_gradients_equal_those_of_eager_attention():
    model = tiny("llava")
    answer = answered(model)
    forward, groups = answer.forward, [[1, 2], [5]]
    found = {}
    forward.gradients(groups, [0, 1], lambda *key: found.update({key[:2]: key[2:]}))
    reference = eager(model, QUESTION, answer.token_ids)
    scores = torch.log_softmax(reference.logits, dim=-1)
    for place, group in enumerate(groups):
        for weights in reference.attention:
            weights.grad = None
        queries = [reference.prompt - 1 + token for token in group]
        ids = [answer.token_ids[token] for token in group]
        scores[queries, ids].sum().backward(retain_graph=True)
        for layer, weights in enumerate(reference.attention):
            own, gradient = found[place, layer]
            expected = weights[0][:, queries][:, :, reference.columns]
            torch.testing.assert_close(own, expected.detach(), atol=1e-6, rtol=0)
            assert weights.grad is not None
            expected = weights.grad[0][:, queries][:, :, reference.columns]
            torch.testing.assert_close(gradient, expected, atol=1e-5, rtol=1e-3)
            assert expected.abs().max() > 1e-6
    assert all(parameter.requires_grad for parameter in model._model.parameters())


def test_an_answer_of_others_has_a_pass_too():
    model = tiny("llava")
    own = answered(model)
    given = GivenAnswer(own.text, own.token_ids, ended=own.ended)
    decoding = Decoding(8, attention=False, forward=True)
    (read,) = model.read([IMAGE], [Prompt("one", 3, QUESTION)], [given], decoding)
    maps = [read_maps([AttentionReading()], each.forward, [[1, 2]])[0] for each in (own, read)]
    np.testing.assert_allclose(maps[0], maps[1], atol=1e-6)
