"""The arithmetic of single attention rows, against soft-max attention written out."""

import math

import pytest
import torch

from pixfoundation.attention.rows import (
    KeyFrame,
    VisibleKeys,
    apply_rows,
    attention_rows,
    gather_columns,
)


def whole_matrix(query, key, *, scaling, hidden=None, softcap=None):
    """Attention as a textbook has it: heads repeated, the whole matrix."""
    key = key.repeat_interleave(query.shape[1] // key.shape[1], dim=1)
    logits = torch.einsum("bhqd,bhkd->bhqk", query, key) * scaling
    if softcap is not None:
        logits = softcap * torch.tanh(logits / softcap)
    if hidden is not None:
        logits = logits.masked_fill(hidden, -math.inf)
    return logits.softmax(-1)


@pytest.fixture
def states():
    generator = torch.Generator().manual_seed(0)
    return (
        torch.randn(2, 4, 5, 8, generator=generator),  # query
        torch.randn(2, 2, 9, 8, generator=generator),  # key: 4 tokens were there before
        torch.randn(2, 2, 9, 8, generator=generator),  # value
    )


CONTINUED = KeyFrame(seen=9, queries=5, keys=9)


def causal(queries=5, keys=9):
    return torch.arange(keys) > torch.arange(queries)[:, None] + keys - queries


def test_rows_of_grouped_heads_are_rows_of_the_whole_matrix(states):
    query, key, _ = states
    whole = whole_matrix(query, key, scaling=0.3, hidden=causal())
    rows = attention_rows(query, key, range(3, 5), CONTINUED, scaling=0.3)
    torch.testing.assert_close(rows, whole[:, :, 3:5])


def test_the_softcap_bounds_the_products(states):
    query, key, _ = states
    whole = whole_matrix(query * 9, key, scaling=1.0, hidden=causal(), softcap=2.0)
    rows = attention_rows(query * 9, key, range(4, 5), CONTINUED, scaling=1.0, softcap=2.0)
    torch.testing.assert_close(rows, whole[:, :, 4:5])


@pytest.mark.parametrize("kind", ["boolean", "additive"])
def test_a_given_mask_replaces_the_causal_rule_and_may_be_wider_than_the_keys(states, kind):
    query, key, _ = states
    hidden = causal()[None, None].repeat(2, 1, 1, 1)
    hidden[1, 0, :, :2] = True  # padding on the left of the second sequence
    mask = torch.nn.functional.pad(~hidden, (0, 3))
    if kind == "additive":
        mask = torch.zeros(mask.shape).masked_fill(~mask, torch.finfo(torch.float32).min)
    rows = attention_rows(query, key, range(5), CONTINUED, scaling=0.3, visible=VisibleKeys(mask))
    torch.testing.assert_close(rows, whole_matrix(query, key, scaling=0.3, hidden=hidden))


def test_a_padding_mask_adds_to_the_causal_rule_and_the_window(states):
    query, key, _ = states
    there = torch.ones(2, 9, dtype=torch.bool)
    there[0, :3] = False
    distance = (torch.arange(5)[:, None] + 4) - torch.arange(9)
    hidden = (causal() | (distance >= 4))[None, None] | ~there[:, None, None]
    rows = attention_rows(
        query, key, range(5), CONTINUED, scaling=0.3, visible=VisibleKeys(there, window=4)
    )
    torch.testing.assert_close(rows, whole_matrix(query, key, scaling=0.3, hidden=hidden))


def test_room_left_in_a_static_cache_is_hidden(states):
    query, key, _ = states
    frame = KeyFrame(seen=5, queries=5, keys=9)  # the last four keys are not filled yet
    rows = attention_rows(query, key, range(3, 5), frame, scaling=0.3)
    assert rows[:, :, 0, 4:].abs().max() == 0
    torch.testing.assert_close(
        rows[..., :5],
        whole_matrix(query, key[:, :, :5], scaling=0.3, hidden=causal(5, 5))[:, :, 3:5],
    )


def test_rows_applied_to_the_values_are_the_output_of_attention(states):
    query, key, value = states
    rows = attention_rows(query, key, range(5), CONTINUED, scaling=8**-0.5)
    expected = torch.nn.functional.scaled_dot_product_attention(
        query, key, value, attn_mask=~causal(), enable_gqa=True
    )
    torch.testing.assert_close(apply_rows(rows, value), expected.transpose(1, 2))


def test_columns_count_from_the_start_of_the_sequence_and_vanish_with_the_window():
    weights = torch.arange(8.0).reshape(1, 2, 4)  # four keys are left
    frame = KeyFrame(seen=10, queries=1, keys=4)  # they are tokens 6 to 9
    read = gather_columns(weights, torch.tensor([[5, 6, 9]]), frame)
    assert read.tolist() == [[[0.0, 0.0, 3.0], [0.0, 4.0, 7.0]]]
